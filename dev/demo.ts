// The demo of npm start: people and patients, made through the gateway alone. What is done is noted
// and not done twice. node dev/demo.ts <data directory> <gateway URL> <mail directory>

import type { MedVaultClient } from "@medvault/client";
import { logIn } from "../tools/lib/sign-in.ts";
import { clientAt } from "./demo/client.ts";
import { linkPatients, loadBundles } from "./demo/clinic.ts";
import { type Cast, callThemselves, makeReady, plan } from "./demo/people.ts";
import { type Person, readState, writeState } from "./demo/state.ts";

const [data, gateway, mailDir] = process.argv.slice(2);
if (!data || !gateway || !mailDir)
  throw new Error("usage: demo.ts <data directory> <gateway URL> <mail directory>");

const state = readState(data);
const save = () => writeState(data, state);
const cast: Cast = { data, gateway, mailDir, people: state.people, save };

/**
 * Signed in once at most: each TOTP code works once, so a second sign-in would wait for the next
 * one.
 */
const first = state.people.find(({ role }) => role === "admin");
const admin = await signedIn(first, 2);
if (first) await callThemselves(admin, first);
plan(cast);

const clients = new Map<Person, MedVaultClient>();
for (const person of state.people.filter(({ role }) => role !== "admin")) {
  if (person.stage !== "ready") clients.set(person, await makeReady(cast, person, admin));
}

const doctor = state.people.find(({ role }) => role === "doctor");
const atDesk = (doctor && clients.get(doctor)) ?? (await signedIn(doctor, 3));
await loadBundles(atDesk, state, save);
await linkPatients(atDesk, state, save);
state.done = true;
save();

async function signedIn(person: Person | undefined, seat: number): Promise<MedVaultClient> {
  if (!person) throw new Error("the demo has nobody to sign in");
  const client = clientAt(gateway ?? "", seat);
  await logIn(client, { ...person, dataDir: data ?? null });
  return client;
}
