import { hostname } from "node:os";
import { connect, type SecureContext } from "node:tls";
import { connectionFault, DeliveryFailed } from "./delivery.errors.ts";
import type { Channel } from "./delivery.ts";
import { framed, syslogMessage } from "./syslog-message.ts";

/** For all of it, the receiver's close included. */
const WAIT_MS = 15_000;
const SYSLOG_TLS_PORT = 6514;

/**
 * Sends alerts as RFC 5424 over TLS (RFC 5425). Syslog has no answer: each message has a connection
 * of its own, and counts as taken when the receiver has closed its side after ours, in order: it
 * has read all of it. A connection kept open would lose what was written into one that is dead.
 */
export function syslogChannel(options: {
  /** `tls://host:6514` */
  url: string;
  secureContext: SecureContext;
  waitMs?: number;
}): Channel {
  const { hostname: host, port } = new URL(options.url);
  const receiver = {
    ...{ host: host.replace(/^\[|\]$/g, ""), port: Number(port || SYSLOG_TLS_PORT) },
    ...{ secureContext: options.secureContext, rejectUnauthorized: true },
  };
  return {
    send: (delivery) =>
      new Promise((resolve, reject) => {
        const message = syslogMessage(delivery, { host: hostname(), pid: process.pid });
        const socket = connect(receiver, () => socket.end(framed(message)));
        const timer = setTimeout(
          () => socket.destroy(new DeliveryFailed("timeout")),
          options.waitMs ?? WAIT_MS,
        );
        let isTaken = false;
        socket.on("error", (error) => reject(connectionFault(error)));
        socket.on("end", () => {
          isTaken = socket.writableFinished; // one that closed before is none that has read
        });
        socket.on("close", () => {
          clearTimeout(timer);
          if (isTaken) resolve();
          else reject(new DeliveryFailed("connection_failed")); // unless an error said more
        });
        socket.resume();
      }),
  };
}
