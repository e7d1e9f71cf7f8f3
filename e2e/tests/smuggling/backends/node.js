// An HTTP server of Node's that writes down what it understood: a line `status TAB authorization TAB body TAB method target`
// for each request to the file named first. With `lenient` as second argument it parses as old programs ask it to.
'use strict';
const fs = require('node:fs');
const http = require('node:http');

const [log, strictness] = process.argv.slice(2);
const file = fs.openSync(log, 'a');
const write = (...columns) => fs.writeSync(file, `${columns.join('\t')}\n`);

const authorization = (lines) => lines.map((line) => line.match(/^authorization:\s*(.*)$/i)?.[1]).filter(Boolean).join(', ');

const server = http.createServer({ insecureHTTPParser: strictness === 'lenient' }, (request, response) => {
  const seen = `${request.method} ${request.url}`;
  const lines = request.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : [`${name}: ${all[at + 1]}`]));
  let bytes = 0;
  request.on('data', (data) => { bytes += data.length; });
  request.on('error', () => {});
  request.on('close', () => write(200, authorization(lines), request.complete ? bytes : '-', seen));
  request.on('end', () => {
    response.setHeader('Content-Length', Buffer.byteLength(seen));
    response.end(seen);
  });
});
// What is no request counts as one: nothing that the proxy sends is anything else. What comes behind it on the connection is not read.
const refused = new WeakSet();
server.on('clientError', (error, socket) => {
  if (error.rawPacket && !refused.has(socket)) {
    refused.add(socket);
    const lines = error.rawPacket.toString('latin1').split(/\r?\n/);
    write(400, authorization(lines), '-', lines[0].replace(/[^ -~]/g, '?'));
  }
  if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
