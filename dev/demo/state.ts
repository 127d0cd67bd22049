// What the demo has made so far, on disk (mode 0600): an interrupted demo goes on where it stopped.
import path from "node:path";
import { readJson } from "../lib/json.mjs";
import { privateFile } from "../servers/files.ts";

export interface Person {
  role: "admin" | "doctor" | "auditor" | "patient";
  username: string;
  email: string;
  password: string;
  totpSecret: string | null;
  /** The account's id, once there is one. */
  id: string | null;
  /** planned: nothing sent yet. invited: the mail is out. ready: signs in with what stands here. */
  stage: "planned" | "invited" | "ready";
}

export interface DemoState {
  people: Person[];
  /** Names of the bundles that are loaded. */
  bundles: string[];
  /** The patient records joined to the accounts of those whom they are about. */
  linked: boolean;
  done: boolean;
}

const stateFile = (data: string) => path.join(data, "demo.json");

export function readState(data: string): DemoState {
  return (
    (readJson(stateFile(data)) as DemoState | null) ?? { people: [], bundles: [], linked: false, done: false }
  );
}

export function writeState(data: string, state: DemoState): void {
  privateFile(stateFile(data), JSON.stringify(state, null, 2));
}
