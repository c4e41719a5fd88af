// For a server that cannot be told an address: it listens on loopback.
import { Server } from 'node:net';

const listen = Server.prototype.listen;

Server.prototype.listen = function (port, host, ...rest) {
	return typeof port === 'object' ? listen.call(this, port, host, ...rest) : listen.call(this, port, '127.0.0.1', ...rest);
};
