// Whether what answers on a port is our own process: it knows the key that it was started with, and
// a stranger does not (libs/service-kit/src/proof.ts).
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const TIMEOUT_MS = 3_000;

/** A key for one process. */
export const newProofKey = () => randomBytes(32).toString("hex");

/**
 * Asks and gives the answer when it is the process' own; null for none, a late one, a stranger's.
 * @param {string} url
 * @param {string} key
 * @returns {Promise<Response | null>}
 */
export async function provenAnswer(url, key) {
  const challenge = randomBytes(32).toString("hex");
  try {
    const answer = await fetch(url, {
      headers: { "x-medvault-challenge": challenge },
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const port = new URL(url).port || "80";
    const expected = createHmac("sha256", key).update(`medvault-proof-v1\n${port}\n${challenge}`).digest();
    const given = Buffer.from(answer.headers.get("x-medvault-proof") ?? "", "hex");
    if (given.length === expected.length && timingSafeEqual(given, expected)) return answer;
    await answer.body?.cancel();
    return null;
  } catch {
    return null;
  }
}
