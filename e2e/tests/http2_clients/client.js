// Node's HTTP/2 client: `client.js PROXY CONNECTOR TOKEN TOOL CA`, the last two for a tool that is reached by CONNECT, else none.
const [proxy, connector, token, tool, ca] = process.argv.slice(2);
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const tls = require('tls');

function session() {
  if (!tool) return Promise.resolve(http2.connect(`http://${proxy}`));
  const [host, port] = proxy.split(':');
  const credentials = Buffer.from(`${connector}:${token}`).toString('base64');
  return new Promise((resolve, reject) => {
    const connect = http.request({ host, port, method: 'CONNECT', path: tool, headers: { 'Proxy-Authorization': `Basic ${credentials}` } });
    connect.on('connect', (answer, socket) => {
      if (answer.statusCode !== 200) return reject(new Error(`CONNECT: ${answer.statusCode}`));
      const options = { socket, host: tool.split(':')[0], ca: fs.readFileSync(ca), ALPNProtocols: ['h2'] };
      const inner = tls.connect(options, () => resolve(http2.connect(`https://${tool}`, { createConnection: () => inner })));
      inner.on('error', reject);
    });
    connect.on('error', reject);
    connect.end();
  });
}

function request(client, method, path, body) {
  const headers = { ':method': method, ':path': tool ? path : `/namespaces/${connector.replace('/', '/connectors/')}${path}` };
  if (!tool) headers.authorization = `Bearer ${token}`;
  return new Promise((resolve, reject) => {
    const stream = client.request(headers);
    let status;
    let length = 0;
    stream.on('response', (answer) => (status = answer[':status']));
    stream.on('data', (data) => (length += data.length));
    stream.on('end', () => resolve(`${status} ${length}`));
    stream.on('error', reject);
    stream.end(body);
  });
}

(async () => {
  const client = await session();
  client.on('error', (error) => { throw error; });
  const all = await Promise.all(Array.from({ length: 100 }, () => request(client, 'GET', '/small')));
  console.log('many at once:', [...new Set(all)].join(', '));
  console.log('big:', await request(client, 'GET', '/big'));
  console.log('sent:', await request(client, 'POST', '/upload', Buffer.alloc(3000000)));
  const refused = await new Promise((resolve) => client.request({ ':path': '/namespaces/no/connectors/such/', ':method': 'GET' }).on('response', (answer) => resolve(answer[':status'])).resume());
  console.log('refused:', refused);
  client.close();
})().catch((error) => { console.error(error); process.exit(1); });
