import { SENSITIVE_FIELDS } from "@medvault/contracts";
import type { Packed } from "../archives/zip.ts";

/** What an archive's index says of a file. `entry` null: it is not in it, `note` says why. */
export interface FileInIndex {
  id: string;
  entry: string | null;
  /** `damaged`: with an entry, what could not be read of it is zeros. */
  note?: "damaged" | "deleted";
  name?: string;
  contentType?: string;
  size?: number;
  sha256?: string;
  attachedTo?: string | null;
  createdAt?: string;
}

interface About {
  readonly exportId: string;
  readonly patientId: string;
  readonly chart: readonly string[];
  readonly at: Date;
  readonly unmasked: boolean;
  /** Parts of the record were closed to who asked for it. */
  readonly isPartial: boolean;
  readonly hasLog: boolean;
  readonly hasSummary: boolean;
  readonly index: readonly FileInIndex[];
}

const damagedIn = (index: readonly FileInIndex[]): number =>
  index.filter(({ note }) => note === "damaged").length;

/** In the words of who opens the archive. */
export function readmeOf(about: About): string {
  const { patientId, at, unmasked, isPartial, hasLog, hasSummary, index } = about;
  const damaged = damagedIn(index);
  const lines = [
    "A health record to take away",
    "============================",
    "",
    `Made by MedVault on ${at.toISOString()} for the patient with the id ${patientId}.`,
    "It holds all that whoever asked for it could see of the record at that time.",
    ...(isPartial ? ["Parts of the record were closed to them: these are not in it."] : []),
    "",
    "What is in this archive",
    "-----------------------",
    ...(hasSummary
      ? ["summary.pdf            The record for people to read: print it, or show it to a doctor."]
      : []),
    "fhir/record-0001.json  The record as FHIR R4 bundles (https://hl7.org/fhir/R4/): who the patient is,",
    "                       diagnoses, notes, laboratory results, prescriptions, appointments, claims.",
    "                       Other clinics' systems can read this. A very large record has several.",
    unmasked
      ? "                       Nothing in it is masked."
      : `                       Masked in it: ${SENSITIVE_FIELDS.join(", ")}.`,
    `files/                 ${index.filter(({ entry }) => entry !== null).length} documents and images, as they were uploaded.`,
    "files/index.json       Which is which: names, types, dates, SHA-256.",
    ...(damaged > 0
      ? [
          `                       ${damaged} of them could not be read in full: ask the clinic for these (note "damaged").`,
        ]
      : []),
    hasLog
      ? "who-looked.csv         Who did what with the record, when, and what for. Spreadsheets open it."
      : "                       Who used the record is not in it: whoever asked for this may not see that.",
    "manifest.json          Sizes and SHA-256 of all the others, by which you can check that they are whole.",
    "",
    "Keep it safe",
    "------------",
    "Once unpacked, these files are protected by nothing: anyone who has them can read them.",
    "Names and sizes of the entries can be seen without the password, their content cannot.",
    "",
  ];
  return lines.join("\r\n");
}

/** What is in the archive, to be checked by. */
export function manifestOf(
  about: About & { readonly requestedBy: string; readonly contents: readonly Packed[] },
): string {
  const { exportId, patientId, chart, at, unmasked, hasLog, index, requestedBy, contents } = about;
  return JSON.stringify(
    {
      format: "medvault-export-1",
      exportId,
      patientId,
      chart,
      requestedBy,
      madeAt: at.toISOString(),
      masked: unmasked ? [] : SENSITIVE_FIELDS,
      accessLog: hasLog,
      damagedFiles: damagedIn(index),
      entries: contents,
    },
    null,
    2,
  );
}
