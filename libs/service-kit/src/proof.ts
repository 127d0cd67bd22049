import { createHmac } from "node:crypto";
import type { RequestListener } from "node:http";

/** What an asker sends: 32 random bytes in hex. */
export const CHALLENGE_HEADER = "x-medvault-challenge";
/** What answers it. */
export const PROOF_HEADER = "x-medvault-proof";

const CHALLENGE = /^[0-9a-f]{64}$/;

/**
 * The proof of whoever knows `key` that it answers `challenge` on `port`: HMAC-SHA256 in hex. With
 * the port in it, a stranger cannot pass on what the right process answered elsewhere.
 */
export function proofOf(key: string, challenge: string, port: number): string {
  return createHmac("sha256", key).update(`medvault-proof-v1\n${port}\n${challenge}`).digest("hex");
}

/** Puts the proof on the answer of each request that asks for one. */
export function proving(key: string | undefined, handler: RequestListener): RequestListener {
  if (key === undefined) return handler;
  return (req, res) => {
    const challenge = req.headers[CHALLENGE_HEADER];
    const port = req.socket.localPort;
    if (typeof challenge === "string" && CHALLENGE.test(challenge) && port !== undefined)
      res.setHeader(PROOF_HEADER, proofOf(key, challenge, port));
    handler(req, res);
  };
}
