// What the demo's doctor does: loads the project's two FHIR bundles, makes a patient, joins them to accounts.
import fs from "node:fs";
import path from "node:path";
import { root } from "../lib/paths.mjs";
import type { Client } from "./client.ts";
import type { DemoState } from "./state.ts";

const BUNDLES = path.join(root, "e2e/fixtures/fhir");

export async function loadBundles(doctor: Client, state: DemoState, save: () => void): Promise<void> {
  const names = fs.existsSync(BUNDLES)
    ? fs.readdirSync(BUNDLES).filter((name) => name.endsWith(".json"))
    : [];
  for (const name of names.filter((one) => !state.bundles.includes(one))) {
    const bundle = JSON.parse(fs.readFileSync(path.join(BUNDLES, name), "utf8"));
    const answer = await doctor.call("POST", "/v1/fhir", bundle);
    if (answer.status < 200 || answer.status > 201) {
      throw new Error(`loading ${name} answered ${answer.status} ${String(answer.body.code ?? "")}`);
    }
    state.bundles.push(name);
    save();
  }
}

/** Each patient's account is joined to a record, so that patients find their own when they sign in. */
export async function linkPatients(doctor: Client, state: DemoState, save: () => void): Promise<void> {
  if (state.linked) return;
  const accounts = state.people.filter(({ role, id }) => role === "patient" && id).map(({ id }) => id);
  const { items } = (await doctor.expect(200, "GET", "/v1/patients?limit=100")) as {
    items: { id: string; userId: string | null }[];
  };
  const free = accounts.filter((id) => !items.some(({ userId }) => userId === id));
  for (const patient of items.filter(({ userId }) => userId === null)) {
    const userId = free.shift();
    if (userId) await doctor.call("PATCH", `/v1/patients/${patient.id}`, { userId });
  }
  for (const userId of free) {
    const person = {
      givenName: "Wilhelmina",
      familyName: "Asquith-Demo",
      birthDate: "1957-03-02",
      sex: "female",
      userId,
    };
    await doctor.expect(201, "POST", "/v1/patients", person);
  }
  state.linked = true;
  save();
}
