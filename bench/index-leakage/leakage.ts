import type { Finding } from "../rounds.ts";
import { ATTACKS, BOX_ATTACKS } from "./attacks.ts";
import { Clinic } from "./clinic.ts";
import { asThief, type Dump, dumpOf } from "./dump.ts";
import { type Case, factsOf } from "./facts.ts";
import { attacked, type Target, tableOf } from "./report.ts";
import { type Opened, openAll, paddingPercent, withoutPadding, withToken } from "./truth.ts";
import { tellingPieces, withWal, wordsIn } from "./wal.ts";

interface Wanted {
  readonly title: string;
  readonly table: string;
  /** Null: a row that holds none. */
  truthOf(value: Opened["value"]): string | null;
  /** What is known to tell something: measured without a limit. */
  readonly isTold?: true;
}

const isByHand = ({ source, resource }: Opened["value"]): boolean => !(source ?? resource);
const CONTENT = [
  "medication",
  "dosage",
  "notes",
  "title",
  "body",
  "givenName",
  "familyName",
  "address",
  "email",
];
const WANTED: readonly Wanted[] = [
  {
    title: "drugs of all prescriptions",
    table: "prescriptions",
    truthOf: ({ medication }) => String(medication),
  },
  {
    title: "drugs of prescriptions by hand",
    table: "prescriptions",
    truthOf: (value) => (isByHand(value) ? String(value.medication) : null),
  },
  {
    title: "names of patients",
    table: "patients",
    truthOf: ({ givenName, familyName }) => `${givenName} ${familyName}`,
  },
  {
    title: "diagnoses by hand",
    table: "medical_records",
    truthOf: (value) => (isByHand(value) ? String(value.title) : null),
  },
  {
    title: "titles of imported records",
    table: "medical_records",
    truthOf: (value) => (isByHand(value) ? null : String(value.title)),
    isTold: true,
  },
];

/**
 * What the tables and the WAL tell a thief without a key, who knows which values occur and how
 * often. Prints tables for docs/threat-model.md.
 */
export async function leakage(print: (text: string) => void): Promise<Finding[]> {
  const clinic = await Clinic.open();
  const url = clinic.records.database.superuserUrl;
  try {
    const dumps: Dump[] = [];
    const wal = await asThief(url, (client) =>
      withWal(client, async () => {
        await clinic.years();
        dumps.push(await dumpOf(url));
        await clinic.day();
        dumps.push(await dumpOf(url));
      }),
    );
    const opened = await openAll(clinic.records);
    const findings: Finding[] = [];
    const tried: Parameters<typeof tableOf>[0][number][] = [];
    for (const wanted of WANTED) {
      const target = targetOf(wanted, opened, (truths) => factsOf(wanted.table, dumps, truths));
      const results = attacked(target, wanted.isTold ? BOX_ATTACKS : ATTACKS);
      tried.push({ target, results });
      findings.push(
        ...results.map(({ attack, rows, by, baseline }) => ({
          name: `${wanted.title}: ${attack}`,
          measured: rows,
          unit: "count" as const,
          ...(wanted.isTold ? {} : { atMost: baseline }),
          note: by,
        })),
      );
    }
    print(`\n${tableOf(tried)}\n\n`);
    return [...findings, ...walFindings(wal, opened), ...costs(opened)];
  } finally {
    await clinic.close();
  }
}

function targetOf(
  { title, table, truthOf }: Wanted,
  opened: readonly Opened[],
  casesOf: (truths: ReadonlyMap<string, string>) => Case[],
): Target {
  const rows = opened.filter((row) => row.table === table && truthOf(row.value) !== null);
  const cases = casesOf(new Map(rows.map(({ id, value }) => [id, truthOf(value) ?? ""])));
  return {
    title,
    cases,
    controls: {
      "box lengths without padding": withoutPadding(cases, table, rows),
      "a token of equal values": withToken(cases, table),
    },
  };
}

/** Content that stands in the log in the clear, and pieces that rows of one drug share. */
function walFindings(wal: Buffer, opened: readonly Opened[]): Finding[] {
  const contents = opened.flatMap(({ value }) =>
    CONTENT.flatMap((field) => (typeof value[field] === "string" ? [value[field]] : [])),
  );
  const clear = wordsIn(wal, contents);
  const rows = opened
    .filter(({ table, value }) => table === "prescriptions" && isByHand(value))
    .map(({ id, value }) => ({ id, patientId: String(value.patientId), truth: String(value.medication) }));
  const { rowsSeen, found, byChance, planted } = tellingPieces(wal, rows);
  const mib = `${(wal.length / 2 ** 20).toFixed(0)} MiB of WAL`;
  return [
    { name: "WAL: contents that stand in it", measured: clear.length, unit: "count", atMost: 0, note: mib },
    {
      name: "WAL: 8 bytes that only rows of one drug share",
      ...{ measured: found, unit: "count", atMost: byChance },
      note: `beside ${rowsSeen} of ${rows.length} rows; ${planted} when each has a token`,
    },
  ];
}

/** What padding costs, in all boxes and in those of rows that no import made. */
function costs(opened: readonly Opened[]): Finding[] {
  const cost = (name: string, rows: readonly Opened[]): Finding => {
    const bytes = rows.reduce((sum, { boxBytes }) => sum + boxBytes, 0);
    return { name, measured: paddingPercent(rows), unit: "%", note: `${rows.length} rows, ${bytes} bytes` };
  };
  const byHand = opened.filter(({ value }) => isByHand(value));
  return [
    { ...cost("bytes that padding adds to boxes", opened), atMost: 12 },
    cost("bytes that padding adds to boxes of rows by hand", byHand),
  ];
}
