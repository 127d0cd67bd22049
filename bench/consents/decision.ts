import { actor, createTestDatabase } from "@medvault/testing";
import pg from "pg";
import { reachOf } from "../../services/records/src/access/reach.ts";
import { prescriptions } from "../../services/records/src/prescriptions/prescription.table.ts";
import { DOCTORS, givenManyRows } from "../../services/records/test/many-rows.ts";
import { type Finding, median } from "../rounds.ts";
import { withServers } from "../servers.ts";

const EACH = 500;
const AT_LEAST = 0.9;

/** A read as it was before there were consents: the view and the functions that still are there. */
const BEFORE = `${prescriptions.statements.rows}
  where r.id = $1
    and ($2 = 'any' or (select true from patient_access a
              where a.patient_id = r.patient_id and a.user_id = $3 and a.scope = $2 limit 1)
          or ((select true from patient_merges m where m.from_id = r.patient_id limit 1) is true
              and reached_by_merge(r.patient_id, $3, $2)))`;

const GIVEN = {
  "no consent": "select",
  "consents of others and closed parts of others": `
    insert into consents (id, patient_id, grantee, purpose, part_type, given_by, created_at, updated_at, rev, open, sealed)
    select gen_random_uuid(), p.id, gen_random_uuid(), case when n = 1 then 'TREAT' end, case when n = 2 then 'claim' end,
           p.id, now(), now(), 1, '{}', '' from patients p, generate_series(1, 2) n`,
  "ten charts opened to the reader": `
    insert into consents (id, patient_id, grantee, purpose, given_by, created_at, updated_at, rev, open, sealed)
    select gen_random_uuid(), p.id, '${DOCTORS.many}', 'TREAT', p.id, now(), now(), 1, '{}', ''
      from patients p where not exists (select from care_team c where c.patient_id = p.id) limit 10`,
} as const;

/** What the decision costs a read in Postgres, beside the one before consents, each as it was. */
export function decision(rounds: number): Promise<Finding[]> {
  return withServers(async () => {
    const database = await createTestDatabase(["records"]);
    const client = new pg.Client({ connectionString: database.superuserUrl });
    await client.connect();
    try {
      await client.query("set search_path to records, records_sys");
      await givenManyRows(client as never, { patients: 8_000, rowsPerPatient: 3, heavyRows: 4_000 });
      const { scope, userId } = reachOf(actor("doctor", { id: DOCTORS.many }), "prescription:read");
      const { rows } = await client.query<{ id: string }>(
        `select r.id from prescriptions r join care_team c on c.patient_id = r.patient_id
          where c.user_id = $1 order by random() limit ${EACH}`,
        [userId],
      );
      const timeOf = async (name: string, text: string, id: string, inScope: string) => {
        const from = performance.now();
        const { rowCount } = await client.query({ name, text, values: [id, inScope, userId] });
        if (rowCount !== 1) throw new Error("a row was not reached");
        return performance.now() - from;
      };
      const findings: Finding[] = [];
      for (const [what, sql] of Object.entries(GIVEN)) {
        await client.query(sql);
        await client.query("vacuum analyze consents");
        const times = { before: [] as number[], now: [] as number[] };
        // In turns, each first as often: what else the machine does meets both.
        for (let n = 0; n <= rounds; n++) {
          for (const [at, { id }] of rows.entries()) {
            const readings = [
              async () => times.before.push(await timeOf("before", BEFORE, id, "assigned")),
              async () => times.now.push(await timeOf("now", prescriptions.statements.find, id, scope)),
            ];
            for (const read of at % 2 ? readings : readings.reverse()) await read();
          }
          if (n === 0) for (const list of Object.values(times)) list.length = 0; // plans are made
        }
        findings.push({
          name: `a read's statement, ${what}: time before consents / now`,
          measured: median(times.before) / median(times.now),
          unit: "ratio",
          atLeast: AT_LEAST,
          note: `${(1_000 * median(times.now)).toFixed(0)} µs`,
        });
      }
      return findings;
    } finally {
      await client.end();
      await database.drop();
    }
  });
}
