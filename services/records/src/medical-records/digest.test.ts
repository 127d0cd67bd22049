import { createHash, createPublicKey, verify } from "node:crypto";
import { type IntegrityView, newId } from "@medvault/contracts";
import { DIGESTS, type Digest } from "@medvault/crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";

const NOTE = {
  type: "note",
  title: "Ångström",
  body: "120/80",
  occurredAt: "2026-03-01T07:30:00.000Z",
} as const;
const CONTENT = `{"body":"120/80","code":null,"occurredAt":"${NOTE.occurredAt}","title":"Ångström","type":"note"}`;

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

/** As after a restart under another policy. */
const chosen = (digest: Digest) => Object.assign(service.context, { digest });

async function givenRecord(): Promise<{ doctor: ReturnType<Records["someone"]>; id: string }> {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor, { nationalId: newId() });
  const { status, body } = await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE);
  expect(status).toBe(201);
  return { doctor, id: body.id };
}

test("content is hashed and signed with the deployment's digest, and anyone can check it with the answer alone", async () => {
  for (const digest of DIGESTS) {
    chosen(digest);
    const { doctor, id } = await givenRecord();
    const { body } = await doctor.get<IntegrityView>(`/v1/records/${id}/integrity`);
    expect(body).toMatchObject({ valid: true, version: 1 });
    // Where it is SHA-256 nothing is said, as ever.
    expect(body.digest).toBe(digest === "sha256" ? undefined : digest);
    expect(JSON.parse(body.statement).digest).toBe(body.digest);
    expect(createHash(digest).update(CONTENT).digest("hex")).toBe(body.contentHash);
    const signature = Buffer.from(body.signature, "base64");
    expect(verify(null, Buffer.from(body.statement), createPublicKey(body.publicKey), signature)).toBe(true);
  }
});

test("what was written under another digest verifies after the deployment's has changed, and the next version has the new one", async () => {
  chosen("sha3-512");
  const { doctor, id } = await givenRecord();
  const integrity = async () => (await doctor.get<IntegrityView>(`/v1/records/${id}/integrity`)).body;
  chosen("sha256");
  expect(await integrity()).toMatchObject({ valid: true, digest: "sha3-512", version: 1 });
  await doctor.put(`/v1/records/${id}`, { ...NOTE, body: "118/78" });
  const next = await integrity();
  expect(next).toMatchObject({ valid: true, version: 2 });
  expect(next.digest).toBeUndefined();
  chosen("sha512");
  expect(await integrity()).toEqual(next);
});
