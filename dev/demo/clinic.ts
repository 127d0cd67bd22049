// What the demo's doctor does: loads the project's two FHIR bundles, makes a patient, joins them to
// accounts.
import fs from "node:fs";
import path from "node:path";
import type { FhirBundle, MedVaultClient } from "@medvault/client";
import { root } from "../lib/paths.mjs";
import type { DemoState } from "./state.ts";

const BUNDLES = path.join(root, "e2e/fixtures/fhir");

export async function loadBundles(doctor: MedVaultClient, state: DemoState, save: () => void): Promise<void> {
  const names = fs.existsSync(BUNDLES)
    ? fs.readdirSync(BUNDLES).filter((name) => name.endsWith(".json"))
    : [];
  for (const name of names.filter((one) => !state.bundles.includes(one))) {
    const body = JSON.parse(fs.readFileSync(path.join(BUNDLES, name), "utf8")) as FhirBundle;
    await doctor.call("POST /v1/fhir", { body });
    state.bundles.push(name);
    save();
  }
}

/**
 * Each patient's account is joined to a record, so that patients find their own when they sign in.
 */
export async function linkPatients(
  doctor: MedVaultClient,
  state: DemoState,
  save: () => void,
): Promise<void> {
  if (state.linked) return;
  const accounts = state.people.flatMap(({ role, id }) => (role === "patient" && id ? [id] : []));
  const { items: listed } = (await doctor.call("GET /v1/patients", { query: { limit: 100 } })).data;
  const items = listed.flatMap((patient) => ("damaged" in patient ? [] : [patient]));
  const free = accounts.filter((id) => !items.some(({ userId }) => userId === id));
  for (const { id, userId } of items) {
    const account = userId === null ? free.shift() : undefined;
    if (account) await doctor.call("PATCH /v1/patients/{id}", { path: { id }, body: { userId: account } });
  }
  for (const userId of free) {
    const body = {
      givenName: "Wilhelmina",
      familyName: "Asquith-Demo",
      birthDate: "1957-03-02",
      sex: "female" as const,
      userId,
    };
    await doctor.call("POST /v1/patients", { body });
  }
  state.linked = true;
  save();
}
