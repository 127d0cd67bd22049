import { type Actor, Id } from "@medvault/contracts";
import type { Context } from "../context.ts";
import { findNamesakes } from "../patients/namesake.service.ts";
import { areNamesakes } from "../patients/namesake.ts";
import { type Chart, findAlike, findPatients } from "../patients/patient.store.ts";
import { patients } from "../patients/patient.table.ts";
import type { Patient } from "../patients/patient.ts";
import { shownUnder } from "../resources/chart.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import { haveSameNational, identityOf } from "./identity.ts";
import { findByNames } from "./import.store.ts";
import type { Candidate as Compared, Evidence } from "./match.ts";
import type { PatientName } from "./patient-name.ts";
import type { PlannedPatient } from "./plan.ts";
import { tokenOf } from "./preparation.service.ts";

/** What was found for one person. */
export interface Found {
  charts: Candidate[];
  /** All that were found by name. */
  named: ReadonlySet<string>;
  /** Whether charts of the same name and birth date are among them: the index could say. */
  isChecked: boolean;
}

/** A chart that may be somebody's, opened. */
export interface Candidate extends Compared {
  patient: Patient;
  subjectKey: Buffer;
  /**
   * Staff answers for who it is, or the bundle names it by our own id. Any other is told of, and
   * never matched: anyone may say of themselves that they are somebody.
   */
  isVouched: boolean;
}

/** Charts that are looked at for one person; a number of more is nobody's own. */
const MAX_CANDIDATES = 20;

/**
 * For each patient of a plan the charts that may be theirs, among those whom the caller may write:
 * found by name, by a number of a state, or of the same name, birth date and sex.
 */
export async function findCandidates(
  context: Context,
  actor: Actor,
  people: readonly PlannedPatient[],
): Promise<Found[]> {
  if (people.length === 0) return [];
  const { pool, indexes } = context;
  const permission = "patient:write";
  const named = people.map(({ patientNames }) =>
    patientNames.map((one) => ({ ...one, token: tokenOfName(context, one) })),
  );
  const byToken = await findByNames(
    pool,
    context,
    actor,
    named.flat().map(({ token }) => token),
  );
  const evidence = named.map((names) => evidenceOf(names, byToken));
  const namesakes = await findNamesakes(
    context,
    actor,
    permission,
    people.map(({ mapped }) => mapped),
  );
  const sought = people.map(({ identity }, at) => ({
    nationalIds: identity.nationals.map(({ value }) => value),
    namesakes: namesakes.ids[at] ?? [],
  }));
  const alike = await indexes
    .of(patients.table)
    .read(pool, (query) => findAlike(pool, context, actor, permission, query, sought));
  const opened = new Map<string, Chart>(alike.flat().map((chart) => [chart.patient.id, chart]));
  const own = people.flatMap((one) => Object.values(ownIds(one)).filter((id) => id !== null));
  const known = [...evidence.flatMap((of) => [...of.keys()]), ...own];
  const ids = new Set(known.filter((id) => !opened.has(id)));
  for (const chart of await findPatients(pool, context, actor, permission, [...ids])) {
    opened.set(chart.patient.id, chart);
  }
  return people.map((patient, at) => {
    const found = new Map(evidence[at]);
    const named = new Set(found.keys());
    const { put, said } = ownIds(patient);
    if (said !== null) {
      const known = found.get(said) ?? NONE;
      found.set(said, { ...known, url: known.url ?? "uuid" });
    }
    if (put !== null) found.set(put, { ...NONE, ...found.get(put), same: true });
    const charts = [...found.keys()].flatMap((id) => opened.get(id) ?? []);
    const others = (alike[at] ?? []).filter((chart) => !found.has(chart.patient.id));
    const all = [
      ...charts.flatMap((chart) => candidateOf(chart, true, found.get(chart.patient.id))),
      ...others.flatMap((chart) => candidateOf(chart, chart.vouched)).filter((one) => isAlike(one, patient)),
    ];
    return { charts: all.slice(0, MAX_CANDIDATES), named, isChecked: namesakes.isChecked };
  });
}

/**
 * The chart of ours that a Patient is put to outright, and the one that it is by the UUID of its
 * own: who was written here comes back under it from our exports.
 */
function ownIds({ interaction, patientNames }: PlannedPatient): { put: string | null; said: string | null } {
  const uuid = patientNames.find(({ is }) => is === "uuid")?.of.slice("urn:uuid:".length);
  const idOf = (id: string | null | undefined) => (Id.safeParse(id).success ? (id as string) : null);
  return { put: interaction?.method === "PUT" ? idOf(interaction.id) : null, said: idOf(uuid) };
}

/** The token of a name by which patients are known. */
export const tokenOfName = ({ indexes }: Context, { name }: Pick<PatientName, "name">): Buffer =>
  tokenOf(indexes.identifiers, "patient", name);

const NONE: Evidence = { same: false, url: null, identifiers: 0 };

/** What speaks for each chart, most first. */
function evidenceOf(
  names: readonly (PatientName & { token: Buffer })[],
  byToken: ReadonlyMap<string, ReadonlySet<string>>,
): Map<string, Evidence> {
  const found = new Map<string, (PatientName & { token: Buffer })[]>();
  for (const one of names) {
    for (const id of byToken.get(one.token.toString("hex")) ?? []) {
      found.set(id, [...(found.get(id) ?? []), one]);
    }
  }
  const evidence = [...found].map(([id, those]): [string, Evidence] => {
    const has = (is: PatientName["is"]) => those.some((one) => one.is === is);
    const url = (["server", "uuid", "local"] as const).find(has) ?? null;
    const identifiers = new Set(those.filter(({ is }) => is === "identifier").map(({ of }) => of)).size;
    return [id, { same: has("same"), url, identifiers }];
  });
  const weight = ({ same, url, identifiers }: Evidence) =>
    Number(same) * 1_000 + Number(url !== null) + identifiers;
  return new Map(evidence.sort(([, a], [, b]) => weight(b) - weight(a)));
}

/** Who a chart is of. One that is damaged says nothing, so that nobody is matched with it. */
function candidateOf({ patient, subjectKey }: Chart, isVouched: boolean, evidence = NONE): Candidate[] {
  if (isDamaged(patient)) return [];
  const { id, createdAt, givenName, familyName, birthDate, sex, nationalId, source } = patient;
  const fields = { names: [givenName, familyName], birthDate, sex, nationalId };
  const identity = identityOf(source?.resource ?? null, fields);
  const chartId = shownUnder(patient, id);
  return [{ ...evidence, id, chartId, createdAt, identity, patient, subjectKey, isVouched }];
}

const isAlike = ({ patient, identity }: Candidate, planned: PlannedPatient): boolean =>
  haveSameNational(identity, planned.identity) || areNamesakes(patient, planned.mapped);
