import { Id } from "@medvault/contracts";
import {
  closedVersion,
  destroyVersion,
  type KeyPlace,
  markShredsFinal,
  moveKeysToVault,
  type Rewrapped,
  readKeyFile,
  retireVersion,
  rewrap,
  rotateServiceKey,
  shredSubject,
  type VaultPlace,
} from "@medvault/keys/operations";
import { inTransaction, type ServiceName } from "@medvault/postgres";
import { type Outcome, UsageError } from "../lib/command.ts";
import { backupNeeds, renewBackups, rewrapArchives } from "./archives.ts";
import { auditOf, keyringOf, OF_PATIENTS, type Work, withPlace } from "./work.ts";

/** `keys rotate <service>` */
export async function rotate(work: Work, service: ServiceName): Promise<Outcome> {
  const made = await withPlace(work.installation, service, (place) =>
    rotateServiceKey(place, auditOf(service, "rotate")),
  );
  return {
    lines: [
      `${service}: version ${made.version} is active, version ${made.retired} opens what it wrapped.`,
      `Next: npm run keys -- rewrap ${service}`,
    ],
    result: { service, ...made },
  };
}

/** `keys rewrap [service]` */
export async function rewrapServices(work: Work, services: readonly ServiceName[]): Promise<Outcome> {
  const results: (Rewrapped & { service: string; archives: number })[] = [];
  for (const service of services) {
    const done = await withPlace(work.installation, service, (place) => rewrapPlace(work, place));
    work.output.say(rewrapLine(service, done));
    results.push({ service, ...done });
  }
  return {
    lines: results.flatMap(({ refused }) => refused.map((id) => `does not open: ${id}`)),
    result: { services: results },
    ok: results.every(({ refused }) => refused.length === 0),
  };
}

/** `keys retire <service> <version>` */
export async function retire(work: Work, service: ServiceName, version: number): Promise<Outcome> {
  await withPlace(work.installation, service, (place) =>
    retireVersion(place, version, auditOf(service, "retire")),
  );
  return {
    lines: [`${service}: nothing is wrapped under version ${version} any more, and nothing will be.`],
    result: { service, version },
  };
}

/** `keys destroy <service> <version> [--despite-backups]` */
export async function destroy(
  work: Work,
  service: ServiceName,
  version: number,
  despiteBackups: boolean,
): Promise<Outcome> {
  await withPlace(work.installation, service, (place) => destroyPlace(work, place, version, despiteBackups));
  return {
    lines: [`${service}: version ${version} is destroyed; what it wrapped opens nowhere any more.`],
    result: { service, version },
  };
}

/** `keys to-vault <service> --url <url> --token-file <path> --key-name <name>` */
export async function toVault(work: Work, service: ServiceName, vault: VaultPlace): Promise<Outcome> {
  await withPlace(work.installation, service, (place) =>
    moveKeysToVault(place.keysFile, service, vault, (replace) =>
      inTransaction(place.pool, async (tx) => {
        const versions = readKeyFile(place.keysFile, service).document.versions.length;
        await auditOf(service, "to-vault")(tx, { versions });
        await replace();
      }),
    ),
  );
  return {
    lines: [
      `${service}: Vault wraps its keys now; the key file holds none in the clear any more. Restart ${service}.`,
      "Copies of the old key file (backups of the machine, shares) still hold the keys: rotate --final ends that.",
    ],
    result: { service, keyName: vault.keyName },
  };
}

/**
 * `keys rotate <service> --final`: afterwards no old dump, WAL or replica holds a key that opens.
 */
export async function rotateFinally(
  work: Work,
  service: ServiceName,
  despiteBackups: boolean,
): Promise<Outcome> {
  return withPlace(work.installation, service, async (place) => {
    const made = await rotateServiceKey(place, auditOf(service, "rotate"));
    work.output.say(`${service}: version ${made.version} is active.`);
    const done = await rewrapPlace(work, place);
    work.output.say(rewrapLine(service, done));
    const destroyed: number[] = [];
    for (const { version, state } of readKeyFile(place.keysFile, service).document.versions) {
      if (state !== "retired") continue;
      await destroyPlace(work, place, version, despiteBackups);
      destroyed.push(version);
    }
    const final = await markShredsFinal(place.pool, made.retired, (subjects) =>
      auditOf(service, "shred-final", OF_PATIENTS.includes(service) ? subjects : []),
    );
    return {
      lines: [
        `${service}: destroyed ${destroyed.join(", ")}; what they wrapped opens nowhere any more.`,
        ...(final > 0 ? [`${service}: ${final} shreds are final.`] : []),
      ],
      result: { service, version: made.version, rewrapped: done.rewrapped, destroyed, final },
    };
  });
}

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

async function rewrapPlace(work: Work, place: KeyPlace): Promise<Rewrapped & { archives: number }> {
  const { service, pool } = place;
  const keyring = await keyringOf(place);
  const { version } = keyring.provider.current();
  const audit = auditOf(service, "rewrap");
  const done = await rewrap(pool, keyring, {
    signal: work.signal,
    onBatch: (tx, keys) => audit(tx, { keys, version }),
    onProgress: (count, total) => work.output.progress(`keys of ${service}`, count, total),
  });
  const archives = service === "backup" ? await rewrapArchives(work.installation, keyring) : 0;
  if (archives > 0) await inTransaction(pool, (tx) => audit(tx, { archives, version }));
  keyring.wipe();
  return { ...done, archives };
}

async function destroyPlace(
  work: Work,
  place: KeyPlace,
  version: number,
  despiteBackups: boolean,
): Promise<void> {
  let needs = await backupNeeds(work.installation, place, version);
  if (needs.some(({ count }) => count > 0) && place.service !== "backup") {
    // Backups take over only what lies under closed versions. Refused, naming what, while tables
    // need this one.
    if (!(await closedVersion(place.pool, version)))
      await retireVersion(place, version, auditOf(place.service, "retire"));
    const renewed = await renewBackups(work.installation, work.signal);
    if (renewed > 0) work.output.say(`The keysets of ${renewed} backups are renewed.`);
    needs = await backupNeeds(work.installation, place, version);
  }
  // An archive's own key is no matter of taste: it can be rewrapped, and without it the archive is
  // lost.
  const counted = despiteBackups && place.service !== "backup" ? [] : needs;
  await destroyVersion(place, version, counted, auditOf(place.service, "destroy"));
}

function rewrapLine(
  service: string,
  { version, rewrapped, archives, refused }: Rewrapped & { archives: number },
) {
  const kept = refused.length > 0 ? `, ${refused.length} do not open and stay as they are` : "";
  const backups = archives > 0 ? ` and of ${archives} archives` : "";
  return `${service}: ${rewrapped} keys${backups} are under version ${version} now${kept}.`;
}
