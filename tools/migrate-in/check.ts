import { openFile } from "./enclosed.ts";
import type { Opener } from "./fernet.ts";
import type { Item } from "./item.ts";
import type { Report } from "./report.ts";
import { Refused } from "./row.ts";
import type { State } from "./state.ts";

/** Requires what a row refers to. Throws Refused. */
export function parentOf(state: State, identity: string, what: "patient" | "prescription") {
  const found = state.find(identity);
  if (found) return found;
  throw new Refused(`no_${what}`, `its ${what} is not in the source, or was refused`);
}

/** Takes rows as a dry run: everything is looked at, files too, and nothing goes anywhere. */
export function checker(parts: { state: State; report: Report; opener: Opener; files: string | null }) {
  const { state, report, opener, files } = parts;
  const done = ({ kind, identity }: Item): void => {
    state.put([{ identity, id: identity, patientId: null, contentHash: "" }]);
    report.count(kind, "stored");
  };
  return (item: Item): Promise<void> | void => {
    if ("patient" in item && item.kind !== "patient") parentOf(state, item.patient, "patient");
    if (item.kind !== "file") return done(item);
    parentOf(state, item.parent, item.onPrescription ? "prescription" : "patient");
    return openFile(files, item.path, opener).then(() => done(item));
  };
}
