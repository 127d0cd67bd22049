/**
 * What becomes of a row that was deleted since the backup, or of a column that was changed: taken
 * again by that function of `taken.store.ts`, or nothing, for that reason.
 */
export type Fate =
  | {
      again:
        | "endAssignments"
        | "endMerges"
        | "moveLinks"
        | "hideAgain"
        | "keepClosed"
        | "leaveOutErased"
        | "keepHolds";
    }
  | { why: string };

const CONTENT: Fate = { why: "what was written: a restore is there to bring it back" };
const BOUND: Fate = { why: "whose row it is, or what it belongs to: never changed" };
const TOKENS: Fate = { why: "finds a row, and shows it to nobody who does not reach it" };
const BACK: Fate = {
  why: "a restore is there to bring back what was deleted; the audit log names each deletion",
};
const AUTHOR: Fate = { why: "who wrote it: gives no access" };
const AGAIN_BY_KEY: Fate = { again: "leaveOutErased" };

const ROW = { id: BOUND, rev: CONTENT, open: CONTENT, sealed: CONTENT } as const;
const TIMES = { created_at: CONTENT, updated_at: CONTENT } as const;

/** Every table and view of the schemas that a restore replaces, and every column of them. */
export const FATES: Readonly<Record<string, { rows: Fate; columns: Readonly<Record<string, Fate>> }>> = {
  "records.patients": {
    rows: AGAIN_BY_KEY,
    columns: {
      ...ROW,
      ...TIMES,
      user_id: { again: "moveLinks" },
      sealed_as: { why: "what the box was sealed with, where a restore took something again" },
      created_by: AUTHOR,
      national_id_token: TOKENS,
    },
  },
  "records.patient_identifiers": {
    rows: { why: "goes with its patient" },
    columns: { patient_id: BOUND, token: TOKENS, layer: TOKENS },
  },
  "records.care_team": {
    rows: { again: "endAssignments" },
    columns: { patient_id: BOUND, user_id: BOUND, added_by: AUTHOR, added_at: CONTENT },
  },
  "records.break_glass": {
    rows: {
      why: "opens a chart until the time it is sealed with; the audit log keeps each that a restore undoes",
    },
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      user_id: BOUND,
      expires_at: BOUND,
      reviewed: CONTENT,
      reviewed_by: AUTHOR,
      reviewed_at: CONTENT,
    },
  },
  "records.prescription_documents": {
    rows: BACK,
    columns: {
      ...{ id: BOUND, patient_id: BOUND, prescription_id: BOUND, prescription_rev: BOUND, made_at: BOUND },
      lookup: TOKENS,
      box: CONTENT,
    },
  },
  "records.consents": {
    rows: { again: "keepClosed" },
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      grantee: BOUND,
      purpose: BOUND,
      part_type: BOUND,
      part_id: BOUND,
      expires_at: BOUND,
      given_by: AUTHOR,
      hidden_at: { again: "hideAgain" },
      sealed_as: { why: "what the box was sealed with, where a restore took something again" },
    },
  },
  "records.legal_holds": {
    rows: { again: "keepHolds" },
    columns: { ...ROW, ...TIMES, patient_id: BOUND, placed_by: AUTHOR },
  },
  "records.erasure_requests": {
    rows: { why: "opens nothing: a second person still has to approve it, until the time it is sealed with" },
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      requested_by: BOUND,
      state: CONTENT,
      decided_by: AUTHOR,
      expires_at: BOUND,
    },
  },
  "records.patient_access": {
    rows: { why: "a view of care_team, break_glass and patients.user_id" },
    columns: { patient_id: BOUND, user_id: BOUND, scope: BOUND },
  },
  "records.patient_merges": {
    rows: { again: "endMerges" },
    columns: { from_id: BOUND, into_id: BOUND, merged_by: AUTHOR, merged_at: CONTENT },
  },
  "records.medical_records": {
    rows: { why: "never deleted, but with an erased patient" },
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      author_id: AUTHOR,
      version: CONTENT,
      occurred_at: CONTENT,
      hidden_at: { again: "hideAgain" },
      sealed_as: { why: "what the box was sealed with, where a restore took something again" },
    },
  },
  "records.medical_record_versions": {
    rows: { why: "shown with its record only, to whom a hidden one is shown" },
    columns: {
      ...ROW,
      ...TIMES,
      record_id: BOUND,
      patient_id: BOUND,
      author_id: AUTHOR,
      version: CONTENT,
      occurred_at: CONTENT,
    },
  },
  "records.row_versions": {
    rows: { why: "goes with its row, and is shown with it only" },
    columns: { ...ROW, patient_id: BOUND, kind: BOUND, row_id: BOUND, version: CONTENT },
  },
  "records.prescriptions": {
    rows: BACK,
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      prescribed_by: AUTHOR,
      status: CONTENT,
      start_date: CONTENT,
      end_date: CONTENT,
    },
  },
  "records.search_documents": {
    rows: {
      why: "goes with its patient; one that is not of the patient's rows is not used, and written again",
    },
    columns: { patient_id: BOUND, rev: CONTENT, written_at: CONTENT, sealed: CONTENT },
  },
  "records.claims": {
    rows: { why: "never deleted, but with an erased patient" },
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      provider_id: AUTHOR,
      created_by: AUTHOR,
      status: CONTENT,
    },
  },
  "records.appointments": {
    rows: BACK,
    columns: {
      ...ROW,
      ...TIMES,
      patient_id: BOUND,
      doctor_id: AUTHOR,
      created_by: AUTHOR,
      starts_at: CONTENT,
      ends_at: CONTENT,
      status: CONTENT,
    },
  },
  "records.fhir_resources": {
    rows: AGAIN_BY_KEY,
    columns: { ...ROW, subject_id: BOUND, created_at: CONTENT },
  },
  "records.fhir_sources": {
    rows: AGAIN_BY_KEY,
    columns: {
      subject_id: BOUND,
      token: TOKENS,
      layer: TOKENS,
      row_id: TOKENS,
      kind: TOKENS,
      content: TOKENS,
    },
  },
  "files.files": {
    rows: BACK,
    columns: {
      ...ROW,
      created_at: CONTENT,
      patient_id: BOUND,
      attached_to: BOUND,
      content_type: CONTENT,
      size_bytes: CONTENT,
      state: CONTENT,
      uploaded_by: AUTHOR,
      blob: CONTENT,
      blob_bytes: CONTENT,
      blob_sha256: CONTENT,
    },
  },
};
