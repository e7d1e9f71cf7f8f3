// What Node's HTTP server and client make of raw bytes.
//
// Prints the port of the server. For each line `METHOD PORT` on standard input, sends a request with that method to
// that port, and prints the outcome as a line of JSON. Ends with standard input.
'use strict';
const http = require('node:http');
const readline = require('node:readline');

const visible = (text) => text.replace(/[^!-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

const trailers = (message) => (message.rawTrailers.length ? ` +${message.rawTrailers.length / 2}` : '');

const server = http.createServer((request, response) => {
  let bytes = 0;
  request.on('data', (data) => { bytes += data.length; });
  request.on('end', () => {
    response.setHeader('Seen', `${request.method} ${visible(request.url)} ${bytes}${trailers(request)}`);
    response.setHeader('Content-Length', 0);
    response.end();
  });
});
server.on('connect', (request, socket) => {
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 200 OK\r\nSeen: CONNECT ${visible(request.url)} 0\r\n\r\n`);
});

function send(method, port) {
  return new Promise((resolve) => {
    const outcome = [];
    const fail = (error) => resolve([...outcome, error.code]);
    const request = http.request({ host: '127.0.0.1', port, method, path: '/', agent: false });
    request.on('information', (information) => outcome.push(String(information.statusCode)));
    request.on('error', fail);
    request.on('response', (response) => {
      let bytes = 0;
      response.on('data', (data) => { bytes += data.length; });
      response.on('error', fail);
      response.on('end', () => resolve([...outcome, `${response.statusCode} ${bytes}${trailers(response)}`]));
    });
    request.end();
  });
}

server.listen(0, '127.0.0.1', async () => {
  console.log(server.address().port);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [method, port] = line.split(' ');
    console.log(JSON.stringify(await send(method, Number(port))));
  }
  process.exit(0);
});
