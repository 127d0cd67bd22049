import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { ops } from "./support/ops.ts";
import { invite, items, registerPatient, text } from "./support/people.ts";

/** Where it is about noon now: people are reminded in the daytime of their own time zone. */
function noonZone(now = new Date()): string {
  const ahead = 12 - now.getUTCHours();
  return ahead === 0 ? "UTC" : `Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`;
}
const mailsTo = (address: string) =>
  fs
    .readdirSync(ops().dirs.mail)
    .filter((name) => name.endsWith(".eml"))
    .sort()
    .map((name) => fs.readFileSync(path.join(ops().dirs.mail, name), "utf8").replace(/=\r?\n/g, ""))
    .filter((mail) => mail.includes(`To: ${address}`) && mail.includes("List-Unsubscribe"));

test("a patient is reminded once, in their language, that something ends, and stops it in one click of a mail program", async () => {
  const { client: admin } = await freshAdmin(ops());
  const doctor = await invite(ops(), admin, "doctor");
  const auditor = await invite(ops(), admin, "auditor");
  const patient = await registerPatient(ops());
  const wishes = { language: "de", timeZone: noonZone() };
  const changed = await patient.client.call("PATCH", "/v1/auth/preferences", { body: wishes });
  expect(changed).toMatchObject({ status: 200, body: wishes });
  const who = { givenName: "Linnea", familyName: "Ashgrove", birthDate: "1961-11-02", sex: "female" };
  const patientId = text(
    (await doctor.client.post("/v1/patients", { ...who, userId: patient.id })).body,
    "id",
  );
  const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  const prescription = { patientId, medication: "Clopidogrel", dosage: "1", status: "active" };
  const made = await doctor.client.post("/v1/prescriptions", {
    ...prescription,
    ...{ startDate: day(-30), endDate: day(3) },
  });
  expect(made.status).toBe(201);

  const mails = () => mailsTo(patient.email);
  await expect.poll(() => mails().length, { timeout: 60_000, interval: 250 }).toBe(1);
  const [mail = ""] = mails();
  expect(mail).toMatch(/In Ihrem MedVault endet bald etwas\./);
  expect(mail).not.toMatch(/Linnea|Ashgrove|Clopidogrel/);
  const events = async (about: string) =>
    items((await auditor.client.get(`/v1/audit/events?subject=${about}`)).body).map(({ type }) => type);
  await expect
    .poll(() => events(`user/${patient.id}`), { timeout: 20_000 })
    .toContain("medvault.auth.reminder.sent.v1");
  expect(await events(`prescription/${text(made.body, "id")}`)).toContain(
    "medvault.records.prescription.end-announced.v1",
  );

  const url = /List-Unsubscribe:\s+<(\S+)>/.exec(mail)?.[1] ?? "";
  expect((await fetch(url)).status).toBeGreaterThanOrEqual(400); // what only looks stops nothing
  const body = new URLSearchParams({ "List-Unsubscribe": "One-Click" });
  expect((await fetch(url, { method: "POST", body })).status).toBe(204);
  const after = await patient.client.get("/v1/auth/preferences");
  expect(after.body).toMatchObject({ reminders: { prescriptions: false, appointments: true } });
  expect(mails()).toHaveLength(1);
}, 120_000);
