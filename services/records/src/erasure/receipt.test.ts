import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type CloudEvent, confirmedErasure, type ErasureReceipt, newId } from "@medvault/contracts";
import { canonicalJson, publicJwkOf } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";
import { takeConfirmations } from "./erasure.consumers.ts";

const log = generateKeyPairSync("ed25519").privateKey;
const ORIGIN = "example.test/audit";
const typed = Buffer.concat([Buffer.of(1), Buffer.from(publicJwkOf(log).x, "base64url")]);
const keyId = createHash("sha256").update(`${ORIGIN}\n`).update(typed).digest().subarray(0, 4);
const VKEY = `${ORIGIN}+${keyId.toString("hex")}+${typed.toString("base64")}`;

/** A log of one event, as audit proves it. */
function proofOf(event: unknown) {
  const [salt, body] = [randomBytes(32), Buffer.from(canonicalJson(event as never))];
  const leaf = createHash("sha256").update(salt).update(body).digest();
  const root = createHash("sha256").update(Buffer.of(0)).update(leaf).digest();
  const text = `${ORIGIN}\n1\n${root.toString("base64")}\n`;
  const signature = Buffer.concat([keyId, sign(null, Buffer.from(text), log)]).toString("base64");
  return {
    ...{ leafIndex: 0, treeSize: 1, hashes: [], leaf: leaf.toString("base64") },
    ...{ salt: salt.toString("base64"), canonicalEvent: body.toString("base64") },
    checkpoint: `${text}\n\u2014 ${ORIGIN} ${signature}\n`,
  };
}

let audit: Server;
let status = 200;
const logged = new Map<string, unknown>();
let service: Records;
let admin: TestClient;
beforeAll(async () => {
  audit = createServer((req, res) => {
    const event = logged.get(req.url?.split("/")[4] ?? "");
    const body = event ? proofOf(event) : { code: "not_found" };
    res.writeHead(event ? status : 404, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(audit.listen(0, "127.0.0.1"), "listening");
  const { port } = audit.address() as AddressInfo;
  service = await startRecords({ env: { MEDVAULT_AUDIT_URL: `http://127.0.0.1:${port}` } });
  admin = service.someone("admin");
});
afterAll(async () => {
  await service?.close();
  audit?.close();
});

async function givenErased(): Promise<{ id: string; number: number }> {
  const id = await givenPatient(service.someone("doctor"));
  await service.events();
  const why = { reason: "Asked for by the patient in writing" };
  const { number } = (await admin.post<{ number: number }>(`/v1/patients/${id}/erase`, why)).body;
  for (const event of await service.events()) logged.set(event.id, event);
  return { id, number };
}

const confirm = (number: number) =>
  inTransaction(service.pool, (tx) =>
    takeConfirmations(
      ["files", "auth", "backup"].map((by) => {
        const { data, type, subject } = confirmedErasure(
          by,
          { number, patientIds: [nobody()] },
          new Date(),
          null,
        );
        const envelope = {
          specversion: "1.0",
          datacontenttype: "application/json",
          source: `/medvault/${by}`,
        };
        return {
          ...envelope,
          id: newId(),
          time: new Date().toISOString(),
          type,
          subject,
          data,
        } as CloudEvent;
      }),
      tx,
    ),
  );
const receiptOf = (id: string, by = admin) => by.get<ErasureReceipt>(`/v1/patients/${id}/erasure/receipt`);

function check(receipt: unknown, ...args: string[]): { code: number | null; said: string } {
  const script = new URL("../../../../tools/verify-receipt.mjs", import.meta.url).pathname;
  const run = spawnSync(process.execPath, [script, "--key", VKEY, ...args], {
    ...{ input: JSON.stringify(receipt), encoding: "utf8" as const },
  });
  return { code: run.status, said: run.stdout + run.stderr };
}

test("a receipt that the patient checks offline says who confirmed, and that the log holds it", async () => {
  const { id, number } = await givenErased();
  expect(await receiptOf(id)).toMatchObject({ status: 409, body: { code: "invalid_transition" } });
  await confirm(number);
  const { body, status } = await receiptOf(id);
  expect(status).toBe(200);
  const { code, said } = check(body, "--patient", id);
  expect(said).toContain(`VALID: patient ${id} was erased`);
  expect(said).toContain("auth, backup, files, records have confirmed");
  expect(code).toBe(0);
  expect(check(body, "--patient", nobody())).toMatchObject({ code: 1 });
  expect((await receiptOf(nobody())).status).toBe(404);
  expect((await receiptOf(id, service.someone("doctor"))).status).toBe(403);
});

test("threat: a receipt that was changed anywhere, or put together from two, is taken for true", async () => {
  const [one, two] = [await givenErased(), await givenErased()];
  for (const { number } of [one, two]) await confirm(number);
  const [mine, other] = [(await receiptOf(one.id)).body, (await receiptOf(two.id)).body];
  const forged: unknown[] = [
    { ...mine, entry: other.entry },
    { ...mine, receipt: other.receipt },
    { ...mine, proof: other.proof },
    { ...mine, publicKey: publicJwkOf(generateKeyPairSync("ed25519").privateKey) },
    { ...mine, format: "medvault-erasure-receipt/2" },
    { ...mine, receipt: mine.entry },
    {
      ...mine,
      receipt: {
        ...mine.receipt,
        statement: mine.receipt.statement.replace("null", '"2026-01-01T00:00:00.000Z"'),
      },
    },
    { ...mine, entry: { ...mine.entry, statement: mine.entry.statement.replace(one.id, two.id) } },
    { ...mine, proof: { ...mine.proof, salt: other.proof.salt } },
  ];
  for (const [at, receipt] of forged.entries()) expect([at, check(receipt).code]).toEqual([at, 1]);
  expect(check(mine).code).toBe(0);
  for (const broken of ["no receipt", null, 5]) expect(check(broken).code).toBe(2);
});

test("while audit has not signed it yet, or is away, the receipt is to be asked for again", async () => {
  const { id, number } = await givenErased();
  await confirm(number);
  status = 503;
  expect((await receiptOf(id)).status).toBe(503);
  status = 200;
  logged.clear();
  expect((await receiptOf(id)).status).toBe(503);
});
