import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { type BoxContext, openBox, type Suite, sealBox } from "@medvault/crypto";
import { type Contender, type Finding, race } from "../rounds.ts";

/**
 * A row box beside bare loops that do the same HKDF (64 bytes: key and commitment) and the same
 * cipher on the same payload. Each bare loop writes the row's info and AAD as one string, draws a
 * nonce, and joins nonce, commitment, ciphertext and tag; it checks nothing, prefixes no lengths
 * and compares no commitment. There are two of them: "bytes" keeps keys in Buffers, as node's
 * documentation does; "KeyObjects" is the fastest that node:crypto can be called.
 */
const SIZES = [256, 1_024];
const SUITES: readonly Suite[] = ["aes-256-gcm", "chacha20-poly1305"];
const BOXES_PER_RUN = 1_000;
const TAG = { authTagLength: 16 } as const;

const context: BoxContext = {
  service: "records",
  table: "prescriptions",
  rowId: "0190b3c4-0000-7000-8000-000000000001",
  subjectId: "0190b3c4-0000-7000-8000-000000000002",
  rev: 3,
  typed:
    '{"end_date":null,"patient_id":"0190b3c4-0000-7000-8000-000000000002","start_date":"2026-01-31","status":"active"}',
  open: '{"ward":"3b"}',
};

export async function rowBox(rounds: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const suite of SUITES) {
    for (const bytes of SIZES) {
      const payload = randomBytes(bytes);
      for (const kind of ["bytes", "KeyObjects"] as const) {
        const raw = randomBytes(32);
        const key = kind === "bytes" ? raw : createSecretKey(raw);
        const subject = { key, version: 1 };
        const bareBox = bareSeal(key, suite, payload);
        const box = sealBox(subject, context, payload, suite);
        const sealing = await race(
          times(() => bareSeal(key, suite, payload)),
          times(() => sealBox(subject, context, payload, suite)),
          rounds,
        );
        const opening = await race(
          times(() => bareOpen(key, suite, bareBox)),
          times(() => openBox(subject, context, box)),
          rounds,
        );
        for (const [what, found] of [
          ["seal", sealing],
          ["open", opening],
        ] as const) {
          findings.push({
            name: `row box, ${what}, ${suite}, ${bytes} B, beside ${kind}`,
            measured: found.ratio,
            unit: "ratio",
            atLeast: 0.9,
            note: `bare ${found.bareMicros.toFixed(1)} µs, box ${found.oursMicros.toFixed(1)} µs`,
          });
        }
      }
    }
  }
  return findings;
}

function times(work: () => unknown): Contender {
  return {
    perRun: BOXES_PER_RUN,
    run: () => {
      for (let n = 0; n < BOXES_PER_RUN; n += 1) work();
    },
  };
}

function bareKeys(key: Buffer | KeyObject, suite: Suite): { rowKey: Buffer | KeyObject; commitment: Buffer } {
  const info = Buffer.from(`medvault|${suite}|${context.service}|${context.table}|${context.rowId}`);
  const derived = Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), info, 64));
  const bytes = derived.subarray(0, 32);
  return { rowKey: Buffer.isBuffer(key) ? bytes : createSecretKey(bytes), commitment: derived.subarray(32) };
}

function bareAad(suite: Suite): Buffer {
  const { service, table, rowId, subjectId, rev, typed, open } = context;
  return Buffer.from(`1|${suite}|1|${service}|${table}|${rowId}|${subjectId}|${rev}|${typed}|${open}`);
}

function bareSeal(key: Buffer | KeyObject, suite: Suite, payload: Buffer): Buffer {
  const { rowKey, commitment } = bareKeys(key, suite);
  const nonce = randomBytes(12);
  const cipher =
    suite === "aes-256-gcm"
      ? createCipheriv("aes-256-gcm", rowKey, nonce, TAG)
      : createCipheriv("chacha20-poly1305", rowKey, nonce, TAG);
  cipher.setAAD(bareAad(suite), { plaintextLength: payload.length });
  return Buffer.concat([nonce, commitment, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
}

function bareOpen(key: Buffer | KeyObject, suite: Suite, box: Buffer): Buffer {
  const { rowKey } = bareKeys(key, suite);
  const nonce = box.subarray(0, 12);
  const sealed = box.subarray(44, -16);
  const decipher =
    suite === "aes-256-gcm"
      ? createDecipheriv("aes-256-gcm", rowKey, nonce, TAG)
      : createDecipheriv("chacha20-poly1305", rowKey, nonce, TAG);
  decipher.setAuthTag(box.subarray(-16));
  decipher.setAAD(bareAad(suite), { plaintextLength: sealed.length });
  const payload = decipher.update(sealed);
  decipher.final();
  return payload;
}
