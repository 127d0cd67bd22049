import { Id } from "@medvault/contracts";
import { shredSubject } from "@medvault/keys/operations";
import type { ServiceName } from "@medvault/postgres";
import { auditOf } from "./audit.ts";
import type { Work } from "./change.ts";
import { UsageError } from "./options.ts";
import type { Outcome } from "./output.ts";
import { withPlace } from "./places.ts";

/** The services that keep keys of patients. */
const OF_PATIENTS: readonly ServiceName[] = ["records", "files"];

/** `keys shred <patient>`: takes no step back. Can be run again after a failure in between. */
export async function shred(work: Work, patient: string | undefined): Promise<Outcome> {
  const id = Id.safeParse(patient);
  if (!id.success) throw new UsageError("name a patient by its id.");
  const patientId = id.data.toLowerCase();
  const shredded: ServiceName[] = [];
  for (const service of OF_PATIENTS) {
    const hadKey = await withPlace(work.installation, service, (place) =>
      shredSubject(place, patientId, auditOf(service, "shred", [patientId])),
    );
    if (hadKey) shredded.push(service);
  }
  const lines =
    shredded.length === 0
      ? ["No service has a key of that patient."]
      : [
          `Nothing of the patient opens any more in ${shredded.join(" and ")}.`,
          "What old dumps, WAL and replicas hold opens until the services have rotated their keys, which they do",
          "by themselves within 24 h (doctor says when they cannot). At once:",
          ...OF_PATIENTS.map((service) => `  npm run keys -- rotate ${service} --final`),
        ];
  return { lines, result: { patientId, shredded }, ok: shredded.length > 0 };
}
