/** A model server that says exactly what a test wants, byte for byte. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What it does with a request that has come whole; probes are answered. */
export type Answer = (socket: Socket, request: string) => void;

export class RawBackend {
  answer: Answer = () => {};
  readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async open(): Promise<RawBackend> {
    const server = createServer();
    const backend = new RawBackend(server);
    server.on('connection', (socket) => backend.serve(socket));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private serve(socket: Socket): void {
    let got = '';
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1');
      const head = got.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(got)?.[1] ?? 0);
      if (head < 0 || got.length < head + 4 + length) return;
      const request = got.slice(0, head + 4 + length);
      got = got.slice(head + 4 + length);
      if (request.startsWith('GET ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      else this.answer(socket, request);
    });
  }
}
