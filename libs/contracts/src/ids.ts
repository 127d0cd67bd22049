import { v7 } from "uuid";
import { z } from "zod";

// Asking for 16 random bytes costs as much as all else of an id, asking for 4 KiB hardly more.
const ID_BYTES = 16;
const random = new Uint8Array(256 * ID_BYTES);
let randomAt = random.length;
const last = { msecs: 0, seq: 0 };

/**
 * A new id: UUIDv7 (RFC 9562), so that ids sort by the time they were made; of one millisecond, by
 * a counter that begins at random.
 */
export function newId(): string {
  if (randomAt === random.length) {
    crypto.getRandomValues(random);
    randomAt = 0;
  }
  const bytes = random.subarray(randomAt, randomAt + ID_BYTES);
  randomAt += ID_BYTES;
  const now = Date.now();
  if (now > last.msecs) {
    last.msecs = now;
    last.seq = new DataView(bytes.buffer, bytes.byteOffset).getUint32(6) >>> 1; // it has room to grow
  } else {
    last.seq += 1;
  }
  return v7({ random: bytes, msecs: last.msecs, seq: last.seq });
}

/** Parses any RFC 9562 UUID and answers it in lower case, so that one id has one spelling. */
export const Id: z.ZodType<string, string> = z.uuid().toLowerCase();
