import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { CHUNK_BYTES, createOpenStream, createSealStream } from "@medvault/crypto";
import { type Finding, race } from "../rounds.ts";

/**
 * A whole pipeline (pieces of one size, the seal or open stream, a sink) beside a bare loop of
 * AES-256-GCM over the same bytes, 16 KiB at a time: one cipher a chunk with a KeyObject (the
 * fastest), its nonce counted up, the tag taken or checked, the output dropped.
 */
const CHUNKS = 4_096;
const PIECES = [65_536, 1_048_576];
const TAG = { authTagLength: 16 } as const;
const context = Buffer.from("bench");

export async function chunked(rounds: number): Promise<Finding[]> {
  const raw = randomBytes(32);
  const key = createSecretKey(raw);
  const message = randomBytes(CHUNKS * CHUNK_BYTES);
  const sealed = await buffer(
    Readable.from(piecesOf(message, 65_536)()).pipe(createSealStream(raw, context)),
  );
  const bareSealed = Array.from({ length: CHUNKS }, (_, n) => sealChunk(n));
  const findings: Finding[] = [];

  function chunkAt(n: number): Buffer {
    return message.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES);
  }
  function sealChunk(n: number): [Buffer, Buffer] {
    const cipher = createCipheriv("aes-256-gcm", key, nonceOf(n), TAG);
    const ciphertext = cipher.update(chunkAt(n));
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  }
  const bareSeal = (): void => {
    for (let n = 0; n < CHUNKS; n += 1) sealChunk(n);
  };
  const bareOpen = (): void => {
    for (const [n, [ciphertext, tag]] of bareSealed.entries()) {
      const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(n), TAG);
      decipher.setAuthTag(tag);
      decipher.update(ciphertext);
      decipher.final();
    }
  };
  for (const pieceBytes of PIECES) {
    const sealing = (): Promise<void> =>
      pipeline(Readable.from(piecesOf(message, pieceBytes)()), createSealStream(raw, context), sink());
    const opening = (): Promise<void> =>
      pipeline(Readable.from(piecesOf(sealed, pieceBytes)()), createOpenStream(raw, context), sink());
    for (const [what, bare, ours] of [
      ["seal", bareSeal, sealing],
      ["open", bareOpen, opening],
    ] as const) {
      const found = await race({ perRun: CHUNKS, run: bare }, { perRun: CHUNKS, run: ours }, rounds);
      const rate = (micros: number): string => (CHUNK_BYTES / micros).toFixed(0);
      findings.push({
        name: `chunked, ${what} stream, pieces of ${pieceBytes >> 10} KiB`,
        measured: found.ratio,
        unit: "ratio",
        atLeast: 0.85,
        note: `bare ${rate(found.bareMicros)} MB/s, stream ${rate(found.oursMicros)} MB/s`,
      });
    }
  }
  return findings;
}

function nonceOf(n: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(n, 8);
  return nonce;
}

function piecesOf(bytes: Buffer, pieceBytes: number): () => Generator<Buffer> {
  return function* () {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  };
}

function sink(): Writable {
  return new Writable({ highWaterMark: 1 << 20, write: (_piece, _encoding, done) => done() });
}
