import type { Witness } from "./witness.ts";

const WAIT_MS = 5_000;
/** Some lines of signatures, or one size. */
const MAX_ANSWER_BYTES = 16 * 1024;

/** What a witness answered; null: nobody did, not in time, or more than an answer can be. */
export async function askWitness(
  { url }: Witness,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string } | null> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]);
  try {
    // A redirection would lead to whom the operator did not name.
    const answer = await fetch(`${url}/add-checkpoint`, {
      method: "POST",
      body,
      redirect: "manual",
      signal: both,
    });
    const text = await boundedText(answer);
    return text === null ? null : { status: answer.status, text };
  } catch {
    return null;
  }
}

async function boundedText(answer: Response): Promise<string | null> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
