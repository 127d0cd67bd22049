import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { DETAIL_OF_KIND, type ErrorKind, newId, STATUS_OF_KIND } from "@medvault/contracts";
import { SECURITY_HEADERS } from "./security-headers.ts";

/** A request line is longer than this: it was the target that was too long, not the headers. */
const MAX_LINE_BYTES = 8 * 1024;

interface WireRefusal {
  status: number;
  code: string;
  detail: string;
}

const ofKind = (kind: ErrorKind): WireRefusal => ({
  status: STATUS_OF_KIND[kind],
  code: kind,
  detail: DETAIL_OF_KIND[kind],
});
const MALFORMED = { status: 400, code: "invalid_input", detail: "The request is not well-formed HTTP." };
const NO_SUCH_METHOD = {
  status: 501,
  code: "not_implemented",
  detail: "The request's method is not known here.",
};
const NO_TUNNEL = ofKind("method_not_allowed");
const TIMEOUT = ofKind("request_timeout");
const TARGET = ofKind("uri_too_long");
const HEADERS = { status: 431, code: "too_large", detail: "The request's headers are too large." };
const EXPECTATION = {
  status: 417,
  code: "expectation_failed",
  detail: "The request's Expect cannot be met.",
};

/** Called for each request refused before the app saw it, with the address of its socket. */
export type OnMalformed = (address: string) => void;

/** Called with the reason of a failed handshake and the address of its socket. */
export type OnHandshakeRefused = (reason: string, address: string) => void;

/**
 * Answers what the parser or Node itself would refuse before the app, with our shape and headers,
 * and ends the connection. A failed TLS handshake gets no answer.
 */
export function refuseOnTheWire(
  server: Server | HttpsServer,
  onMalformed?: OnMalformed,
  onHandshakeRefused?: OnHandshakeRefused,
): void {
  const shaken = server instanceof HttpsServer ? new WeakSet<Duplex>() : null;
  server.prependListener("secureConnection", (socket: TLSSocket) => void shaken?.add(socket));
  server.on("clientError", (error: ParserError, socket: Duplex) => {
    if (shaken && !shaken.has(socket)) {
      const { authorizationError } = socket as TLSSocket;
      onHandshakeRefused?.(String(authorizationError ?? error.code ?? "unknown"), addressOf(socket));
      socket.destroy();
      return;
    }
    const refusal = refuseMalformed(error, socket);
    if (refusal && refusal !== TIMEOUT) onMalformed?.(addressOf(socket));
  });
  server.on("connect", (_req: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => socket.destroy());
    refuse(socket, NO_TUNNEL);
    onMalformed?.(addressOf(socket));
  });
  server.on("checkExpectation", (req: IncomingMessage, res: ServerResponse) => {
    const { text, headers } = written(EXPECTATION);
    res.writeHead(EXPECTATION.status, headers).end(text);
    onMalformed?.(addressOf(req.socket));
  });
}

type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer };

/** Answers what the parser refused; null when nobody is left or an answer has begun. */
function refuseMalformed(error: ParserError, socket: Duplex): WireRefusal | null {
  const answering = (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
  if (!socket.writable || error.code === "ECONNRESET" || answering?.headersSent) {
    socket.destroy();
    return null;
  }
  const refusal = refusalOf(error);
  refuse(socket, refusal);
  return refusal;
}

function refusalOf({ code, rawPacket }: ParserError): WireRefusal {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return TIMEOUT;
  if (code === "HPE_HEADER_OVERFLOW") {
    const line = rawPacket?.indexOf("\n") ?? 0;
    return rawPacket && (line === -1 || line > MAX_LINE_BYTES) ? TARGET : HEADERS;
  }
  if (code === "HPE_INVALID_METHOD" && /^[A-Z]{1,32} \S/.test(rawPacket?.toString("latin1", 0, 40) ?? ""))
    return NO_SUCH_METHOD;
  return MALFORMED;
}

function refuse(socket: Duplex, refusal: WireRefusal): void {
  const { text, headers } = written(refusal);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join("")}\r\n${text}`);
}

function written(refusal: WireRefusal): { text: string; headers: Record<string, string> } {
  const requestId = newId();
  const text = JSON.stringify({
    type: `urn:medvault:problem:${refusal.code}`,
    title: STATUS_CODES[refusal.status],
    ...refusal,
    instance: "",
    requestId,
  });
  const headers = {
    "X-Request-Id": requestId,
    ...Object.fromEntries(SECURITY_HEADERS),
    ...(refusal === NO_TUNNEL ? { Allow: "GET, HEAD, POST, PUT, PATCH, DELETE" } : {}),
    "Content-Type": "application/problem+json",
    "Content-Length": String(Buffer.byteLength(text)),
    Connection: "close",
  };
  return { text, headers };
}

function addressOf(socket: Duplex): string {
  return (socket as { remoteAddress?: string }).remoteAddress ?? "unknown";
}
