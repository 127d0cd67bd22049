import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { announcedErasure, type CloudEvent, newId } from "@medvault/contracts";
import {
  type ErasureEntry,
  erasureHash,
  erasureStatement,
  publicJwkOf,
  type SignedErasure,
  signEd25519,
} from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import type { TestBackup } from "./harness.ts";

/** A ledger of erasures as records signs it, from entry to entry. */
export class TestLedger {
  readonly entries: SignedErasure[] = [];
  readonly #key: KeyObject = generateKeyPairSync("ed25519").privateKey;

  /** The next entry, in no table yet. */
  next(...patientIds: string[]): SignedErasure {
    const before = this.entries.at(-1);
    const entry: ErasureEntry = {
      number: this.entries.length + 1,
      patientIds: patientIds.toSorted(),
      erasedAt: new Date().toISOString(),
      previous: before ? erasureHash(before) : null,
    };
    const signature = signEd25519(this.#key, Buffer.from(erasureStatement(entry), "utf8"));
    const signed = { ...entry, publicKey: publicJwkOf(this.#key), signature: signature.toString("base64") };
    this.entries.push(signed);
    return signed;
  }

  /** As records does its part: the entry, no rows and no keys. */
  async erase({ records }: TestBackup, ...patientIds: string[]): Promise<SignedErasure> {
    const entry = this.next(...patientIds);
    await this.write(records, entry);
    return entry;
  }

  /** What `erase` does, of an entry that was made before: of records' one transaction. */
  async write(records: Db, entry: SignedErasure): Promise<void> {
    const { patientIds } = entry;
    await records.query(
      `insert into keys (kind, name, version, wrapped, public) values ('signing', 'erasure-ledger', 1, $1, $2)
       on conflict do nothing`,
      [randomBytes(102), entry.publicKey],
    );
    await records.query(
      `insert into erasure_ledger (number, patient_ids, erased_at, previous, public_key, signature, erased_by, event_id, asked_at)
       values ($1, $2, $3, $4, $5, $6, $7, $7, now())`,
      [
        ...[entry.number, entry.patientIds, entry.erasedAt, entry.previous, entry.publicKey],
        ...[Buffer.from(entry.signature, "base64"), newId()],
      ],
    );
    await records.query("delete from patients where id = any($1)", [patientIds]);
    await records.query("delete from subject_keys where subject_id = any($1)", [patientIds]);
  }

  /** As records tells the others. */
  event(entry: SignedErasure): CloudEvent {
    const { publicKey, ...rest } = entry;
    const { data, type, subject } = announcedErasure({ ...rest, publicKey: publicKey.x, accountId: null });
    const envelope = { specversion: "1.0", datacontenttype: "application/json", source: "/medvault/records" };
    return { ...envelope, id: newId(), time: new Date().toISOString(), type, subject, data } as CloudEvent;
  }
}
