// The peer of the fan-out benchmark: Node's socket.io with the monitor's `/emit` door, and nothing stored.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer((request, response) => {
  if (request.method !== 'POST') return void response.end('{"status":"healthy"}');
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { namespace, event, data } = JSON.parse(Buffer.concat(chunks));
    io.of(namespace).emit(event, data);
    response.end('{"status":"ok"}');
  });
});
const io = new Server(http, { perMessageDeflate: false });
io.of('/hook');
http.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
