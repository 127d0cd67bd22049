import { FernetForged, FernetRefused, KeyInvalid, openFernet } from "@medvault/crypto";
import { Refused, SourceRefused } from "./row.ts";

/** Version 0x80 and a time before the year 2106, as base64url; one that was cut looks so too. */
const LOOKS_SEALED = /^gAAAAA[A-Za-z0-9_-]{20,}={0,2}$/;
const MAX_KEYS = 16;
/** Of so many tokens one must open, or the key is another one. */
const TRIED_TOKENS = 100;

export const looksSealed = (text: string): boolean => LOOKS_SEALED.test(text);

/**
 * The keys that tokens were made with: one a line, the way CareCrypt has it in FERNET_KEY. Throws
 * SourceRefused for a text that holds none, or something else.
 */
export function fernetKeys(text: string): string[] {
  const lines = text.split(/[\s,]+/).map((line) => line.replace(/^(?:export\s+)?FERNET_KEYS?=/, ""));
  const keys = lines.map((line) => line.replaceAll(/^["']|["']$/g, "")).filter((line) => line !== "");
  if (keys.length === 0) throw new SourceRefused("the key file holds no key.");
  if (keys.length > MAX_KEYS) throw new SourceRefused(`the key file holds more than ${MAX_KEYS} keys.`);
  for (const [at, key] of keys.entries()) {
    if (!isKey(key))
      throw new SourceRefused(`key ${at + 1} of the key file is no Fernet key: 32 bytes in base64url.`);
  }
  return keys;
}

/** Opens tokens that any of its keys made, and finds out early when none did. */
export class Opener {
  readonly #keys: readonly string[];
  #opened = 0;
  #refused = 0;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  get hasKeys(): boolean {
    return this.#keys.length > 0;
  }

  get opened(): number {
    return this.#opened;
  }

  /**
   * What was sealed. Throws Refused for a token that none of the keys made or that was changed, and
   * SourceRefused when none of the first hundred opens.
   */
  open(token: string): Buffer {
    for (const key of this.#keys) {
      try {
        const { message } = openFernet(token, key, { now: new Date(), maxClockSkewSeconds: Infinity });
        this.#opened++;
        return message;
      } catch (error) {
        if (!(error instanceof FernetRefused)) throw error;
        if (!(error instanceof FernetForged)) break; // malformed under every key
      }
    }
    this.#refused++;
    if (this.#opened === 0 && this.#refused >= TRIED_TOKENS) throw wrongKey(this.#refused);
    throw new Refused("bad_token", "is sealed, but was changed or cut, or sealed by another key");
  }

  /** Throws SourceRefused where tokens were tried and not one opened. */
  requireRight(): void {
    if (this.#opened === 0 && this.#refused > 0) throw wrongKey(this.#refused);
  }
}

const wrongKey = (tried: number): SourceRefused =>
  new SourceRefused(
    `the key is wrong: of the first ${tried} sealed cells not one opens under it. Nothing was stored.`,
  );

function isKey(key: string): boolean {
  try {
    openFernet("gAAAA", key, { now: new Date() });
    return true;
  } catch (error) {
    return !(error instanceof KeyInvalid);
  }
}
