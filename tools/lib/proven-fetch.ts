// A fetch whose every connection proves first that our own gateway is at its other end: whoever took
// the port meanwhile gets no password and no token.
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from "@medvault/service-kit";
import { Agent, buildConnector, FormData as FormDataBy, fetch as fetchBy } from "undici";

/** Something else answers at the gateway's address. */
export class NotOurGateway extends Error {
  constructor(address: string) {
    super(
      `what answers at ${address} is not this MedVault's gateway; nothing was sent to it. Is MedVault running (npm run status)?`,
    );
  }
}

const PROOF_TIMEOUT_MS = 5_000;
/** Far more than /healthz answers with. */
const MAX_ANSWER_BYTES = 16 * 1024;

/**
 * @param key by which the gateway proves itself
 * @param localAddress where connections come from
 */
export function provenFetch(key: string, localAddress?: string): typeof fetch {
  const dial = buildConnector({ timeout: PROOF_TIMEOUT_MS });
  const dispatcher = new Agent({
    ...(localAddress !== undefined && { localAddress }), // the connector takes it from here alone
    connect(options, callback) {
      dial(options, (failed, socket) => {
        if (failed) return callback(failed, null);
        prove(socket, options.host ?? options.hostname, key).then(
          () => callback(null, socket),
          (error: Error) => {
            socket.destroy();
            callback(error, null);
          },
        );
      });
    },
  });
  // Another fetch than the runtime's knows no Headers and forms of the runtime's.
  const send = (url: string, init: RequestInit) => {
    const body = init.body instanceof FormData ? formOf(init.body) : init.body;
    return fetchBy(url, { ...init, body, headers: [...(init.headers as Headers)], dispatcher } as object);
  };
  return send as unknown as typeof fetch;
}

function formOf(form: FormData): FormDataBy {
  const copy = new FormDataBy();
  for (const [name, value] of form) {
    if (typeof value === "string") copy.append(name, value);
    else copy.append(name, value, value.name);
  }
  return copy;
}

/** Asks on this very connection, which is then used for what follows. Rejects with NotOurGateway. */
async function prove(socket: Socket, host: string, key: string): Promise<void> {
  const challenge = randomBytes(32).toString("hex");
  socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${CHALLENGE_HEADER}: ${challenge}\r\n\r\n`);
  const head = await answerOn(socket).catch(() => "");
  const given = Buffer.from(headerOf(head, PROOF_HEADER) ?? "", "hex");
  const expected = Buffer.from(proofOf(key, challenge, socket.remotePort ?? 0), "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new NotOurGateway(host);
}

const headerOf = (head: string, name: string) =>
  new RegExp(`^${name}: *(.*?)\r$`, "im").exec(head)?.[1] ?? null;

/** The head of an answer whose body is read to its end. Rejects for what is none, or late. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const timer = setTimeout(() => end(() => reject(new Error("late"))), PROOF_TIMEOUT_MS);
    const end = (how: () => void) => {
      clearTimeout(timer);
      socket.off("readable", read).off("end", broken).off("error", broken);
      how();
    };
    const broken = () => end(() => reject(new Error("no answer")));
    const read = () => {
      for (let part = socket.read(); part !== null; part = socket.read())
        bytes = Buffer.concat([bytes, part]);
      const at = bytes.indexOf("\r\n\r\n");
      const head = bytes.toString("latin1", 0, Math.max(0, at + 2));
      if (bytes.length > MAX_ANSWER_BYTES) return broken();
      if (at !== -1 && bytes.length >= at + 4 + Number(headerOf(head, "content-length") ?? Number.NaN))
        end(() => resolve(head));
    };
    socket.on("readable", read).on("end", broken).on("error", broken);
  });
}
