import type { TestClient } from "@medvault/testing";
import { givenPatient, startRecords } from "../../services/records/test/harness.ts";
import { type Finding, median } from "../rounds.ts";
import { withServers } from "../servers.ts";

const DAY = "2027-01-11";
const OF_THE_DAY = 24;
const WARM_UPS = 20;
const MAX_DAY_MS = 10;

/**
 * A day's appointments of one doctor through the service (HTTP, Postgres, 24 boxes opened, the
 * event durable), where there are `rows` of 500 other doctors and 50,000 patients beside them.
 */
export function daysAppointments(rounds: number, rows: number): Promise<Finding[]> {
  return withServers(async () => {
    const service = await startRecords();
    try {
      await service.superuser(others(rows));
      await service.superuser("vacuum analyze records.appointments");
      const doctor = service.someone("doctor");
      const query = `doctorId=${doctor.actor.id}&from=${DAY}&to=${DAY}&limit=100`;
      await givenDay(doctor);
      const asked = async (): Promise<number> => {
        const from = performance.now();
        const { body } = await doctor.get<{ items: object[] }>(`/v1/appointments?${query}`);
        if (body.items.length !== OF_THE_DAY) throw new Error(`${body.items.length} appointments`);
        return performance.now() - from;
      };
      for (let n = 0; n < WARM_UPS; n++) await asked();
      const times: number[] = [];
      for (let n = 0; n < 5 * rounds; n++) times.push(await asked());
      times.sort((one, other) => one - other);
      const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
      return [
        {
          name: `a day's appointments of one doctor among ${rows.toLocaleString("en")}`,
          measured: median(times),
          unit: "ms",
          atMost: MAX_DAY_MS,
          note: `${OF_THE_DAY} of them; p99 ${p99.toFixed(1)} ms`,
        },
      ];
    } finally {
      await service.close();
    }
  });
}

async function givenDay(doctor: TestClient): Promise<void> {
  const patientId = await givenPatient(doctor);
  for (let n = 0; n < OF_THE_DAY; n++) {
    const startsAt = new Date(Date.parse(`${DAY}T06:00:00Z`) + n * 1_800_000).toISOString();
    const endsAt = new Date(Date.parse(startsAt) + 1_800_000).toISOString();
    await doctor.post("/v1/appointments", { patientId, doctorId: doctor.actor.id, startsAt, endsAt });
  }
}

/** Rows that nobody opens, of ten years, none of which overlaps another of its doctor. */
const others = (rows: number): string => `
  set session_replication_role = replica;
  insert into records.appointments
    (id, patient_id, doctor_id, created_by, status, starts_at, ends_at, created_at, updated_at, rev, open, sealed)
  select gen_random_uuid(), md5('p' || n % 50000)::uuid, md5('d' || n % 500)::uuid, md5('d' || n % 500)::uuid,
         'booked', at, at + interval '30 minutes', at, at, 1, '{}', decode(repeat('00', 300), 'hex')
    from (select n, timestamptz '2020-01-01' + (n / 500) * interval '43 minutes' as at
            from generate_series(1, ${rows}) n) x;
  set session_replication_role = origin`;
