import { type Cipheriv, createCipheriv, createHmac, type Hmac, pbkdf2Sync, randomBytes } from "node:crypto";

/**
 * AE-2 of WinZip at strength 3 (AES-256): https://www.winzip.com/en/support/aes-encryption/. Salt,
 * two bytes that tell a wrong password early, the ciphertext, and ten bytes that authenticate it.
 */
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const CHECK_BYTES = 2;
const MAC_BYTES = 10;
/** Fixed by the format: a password must be strong by itself. */
const ROUNDS = 1_000;
const BLOCK_BYTES = 16;

/** What encryption adds to an entry. */
export const AES_OVERHEAD_BYTES = SALT_BYTES + CHECK_BYTES + MAC_BYTES;

/** One entry's encryption: `head`, then each piece through `update`, then `tail`. */
export class AesEntry {
  /** Salt and check bytes. */
  readonly head: Buffer;
  readonly #cipher: Cipheriv;
  readonly #mac: Hmac;
  /** The number of the next block; the format counts from 1, in little-endian. */
  #next = 1;
  /** What of the last block's key stream was not used yet. */
  #left: Buffer = Buffer.alloc(0);

  constructor(password: string, salt: Buffer = randomBytes(SALT_BYTES)) {
    const derived = pbkdf2Sync(password, salt, ROUNDS, 2 * KEY_BYTES + CHECK_BYTES, "sha1");
    // The counter is made here: that of OpenSSL's CTR mode is big-endian.
    this.#cipher = createCipheriv("aes-256-ecb", derived.subarray(0, KEY_BYTES), null).setAutoPadding(false);
    this.#mac = createHmac("sha1", derived.subarray(KEY_BYTES, 2 * KEY_BYTES));
    this.head = Buffer.concat([salt, derived.subarray(2 * KEY_BYTES)]);
    derived.fill(0, 0, 2 * KEY_BYTES);
  }

  update(piece: Buffer): Buffer {
    const stream = this.#keyStream(piece.length);
    const sealed = Buffer.allocUnsafe(piece.length);
    for (let i = 0; i < piece.length; i += 1) sealed[i] = (piece[i] as number) ^ (stream[i] as number);
    this.#mac.update(sealed);
    return sealed;
  }

  tail(): Buffer {
    return this.#mac.digest().subarray(0, MAC_BYTES);
  }

  #keyStream(bytes: number): Buffer {
    const blocks = Math.max(0, Math.ceil((bytes - this.#left.length) / BLOCK_BYTES));
    const counters = Buffer.alloc(blocks * BLOCK_BYTES);
    for (let i = 0; i < blocks; i += 1, this.#next += 1) {
      counters.writeUInt32LE(this.#next % 2 ** 32, i * BLOCK_BYTES);
      counters.writeUInt32LE(Math.floor(this.#next / 2 ** 32), i * BLOCK_BYTES + 4);
    }
    const stream = Buffer.concat([this.#left, this.#cipher.update(counters)]);
    this.#left = Buffer.from(stream.subarray(bytes));
    return stream;
  }
}
