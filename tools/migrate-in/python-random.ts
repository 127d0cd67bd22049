import { createHash } from "node:crypto";

const WORDS = 624;
const HALF = 397;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const BITS = 6;

/**
 * What Python's `random.seed(text)` and then `random.choice` of A–Z and 0–9 give: MT19937
 * (Matsumoto and Nishimura, 1998), seeded as CPython seeds it since 3.2. It is no secret that
 * anything should rest on; some programs made their keys so.
 */
export function pythonCharacters(seed: string, count: number): string {
  const next = twister(seedWords(seed));
  let text = "";
  while (text.length < count) {
    const place = next() >>> (32 - BITS);
    if (place < LETTERS.length) text += LETTERS[place];
  }
  return text;
}

/** The integer of the text and its SHA-512, as 32-bit words, the lowest first. */
function seedWords(seed: string): number[] {
  const text = Buffer.from(seed);
  const bytes = Buffer.concat([text, createHash("sha512").update(text).digest()]);
  const padded = Buffer.concat([Buffer.alloc(-bytes.length & 3), bytes]);
  const words: number[] = [];
  for (let at = padded.length - 4; at >= 0; at -= 4) words.push(padded.readUInt32BE(at));
  while (words.length > 1 && words.at(-1) === 0) words.pop();
  return words;
}

function twister(key: readonly number[]): () => number {
  const state = new Uint32Array(WORDS);
  const last = (at: number) => ((state[at] as number) ^ ((state[at] as number) >>> 30)) >>> 0;
  state[0] = 19_650_218;
  for (let at = 1; at < WORDS; at++) state[at] = Math.imul(1_812_433_253, last(at - 1)) + at;
  let [at, of] = [1, 0];
  const step = () => {
    at++;
    if (at < WORDS) return;
    state[0] = state[WORDS - 1] as number;
    at = 1;
  };
  for (let left = Math.max(WORDS, key.length); left > 0; left--) {
    state[at] = ((state[at] as number) ^ Math.imul(last(at - 1), 1_664_525)) + (key[of] as number) + of;
    step();
    of = (of + 1) % key.length;
  }
  for (let left = WORDS - 1; left > 0; left--) {
    state[at] = ((state[at] as number) ^ Math.imul(last(at - 1), 1_566_083_941)) - at;
    step();
  }
  state[0] = 0x80000000;
  let taken = WORDS;
  return () => {
    if (taken === WORDS) {
      for (let n = 0; n < WORDS; n++) {
        const mixed = ((state[n] as number) & 0x80000000) | ((state[(n + 1) % WORDS] as number) & 0x7fffffff);
        state[n] = (state[(n + HALF) % WORDS] as number) ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
      }
      taken = 0;
    }
    let y = state[taken++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
