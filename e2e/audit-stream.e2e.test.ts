import { randomUUID } from "node:crypto";
import { ProblemError } from "@medvault/client";
import { expect, test } from "vitest";
import { parseExport, rootOfExport } from "../services/audit/test/export-check.ts";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite } from "./support/people.ts";

test("an auditor follows the log until they sign out, and takes the same entries away with their proof", async () => {
  const { client: admin } = await freshAdmin(ops());
  const auditor = await invite(ops(), admin, "auditor");
  const doctor = await invite(ops(), admin, "doctor");
  const [denied, allowed] = [randomUUID(), randomUUID()];
  const enough = new AbortController();
  const got: { index: number; requestId: string | null; type: string }[] = [];
  const following = (async () => {
    for await (const { entry } of auditor.client.api.follow({ actorId: doctor.id }, enough.signal))
      got.push(entry);
  })().catch((error: unknown) => error);
  // The opening is in the log: whatever comes then is in the stream.
  const opened = "/v1/audit/events?type=medvault.audit.log.streamed.v1&limit=1";
  await expect
    .poll(async () => (await auditor.client.get(`${opened}&actorId=${auditor.id}`)).body.items, {
      timeout: 20_000,
    })
    .toHaveLength(1);
  await doctor.client.get("/v1/audit/events", { "x-request-id": denied });
  await doctor.client.get("/v1/patients", { "x-request-id": allowed });
  await expect
    .poll(() => got.map(({ requestId }) => requestId), { timeout: 20_000 })
    .toEqual(expect.arrayContaining([denied, allowed]));
  const indexes = got.map(({ index }) => index);
  expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b));

  const [first = 0, last = 0] = [indexes[0], indexes.at(-1)];
  const range = `after=${first - 1}&before=${last + 1}&actorId=${doctor.id}`;
  const { status, raw } = await auditor.client.get(`/v1/audit/export?${range}`);
  expect(status).toBe(200);
  const given = parseExport(raw.toString());
  expect(given.entries.map(({ index }) => index)).toEqual(indexes);
  expect(rootOfExport(given)).toBe(given.end?.checkpoint?.split("\n")[2]);

  await auditor.client.post("/v1/auth/logout");
  const ended = await following;
  expect(ended).toBeInstanceOf(ProblemError);
  expect((ended as ProblemError).status).toBe(401);
}, 120_000);
