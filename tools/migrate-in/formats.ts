import type { MigrationMap } from "./map.ts";

/** When MySQL writes a TIMESTAMP into a dump, it says it in UTC. */
const AT = "YYYY-MM-DD HH:mm:ss";

/**
 * CareCrypt (Flask and MySQL): prescriptions by patient's name, each field a Fernet token, files
 * as `.enc`. It knows no patients: who has the same name in one account is one.
 */
const carecrypt: MigrationMap = {
  source: "carecrypt",
  timeZone: "UTC",
  tables: {
    users: [
      {
        to: "user",
        key: ["id"],
        fields: { username: "username", email: "email", role: { constant: "doctor" } },
      },
    ],
    prescriptions: [
      {
        to: "patient",
        key: ["user_id", { column: "patient_name", sealed: true, trim: true }],
        repeats: true,
        careTeam: ["user_id"],
        fields: { name: { column: "patient_name", sealed: true, trim: true } },
      },
      {
        to: "prescription",
        key: ["id"],
        patient: ["user_id", { column: "patient_name", sealed: true, trim: true }],
        fields: {
          medication: { column: "medication", sealed: true },
          dosage: { column: "dosage", sealed: true },
          notes: { column: "notes", sealed: true },
          startDate: { column: "created_at", date: AT },
          writtenAt: { column: "created_at", date: AT },
          status: { constant: "unknown" },
        },
      },
    ],
    prescription_images: [
      {
        to: "file",
        key: ["id"],
        prescription: ["prescription_id"],
        fields: { path: "filename", extension: "original_ext" },
      },
    ],
  },
};

/**
 * MedicoIO (SQLite): its cells are opened by the settings of its site, or are plain, or tokens.
 */
const medicoio: MigrationMap = {
  source: "medicoio",
  tables: {
    user_details: [
      {
        to: "patient",
        key: ["id"],
        fields: {
          givenName: "f_name",
          familyName: "l_name",
          birthDate: { column: "dob", date: "YYYY-MM-DD" },
          sex: { column: "gender", values: { Male: "male", Female: "female" }, empty: "unknown" },
          nationalId: "ic_num",
          phone: "contact_num",
          email: "email",
          address: { join: ["addr", "area", "postal_code"], with: ", " },
        },
      },
    ],
    consultations: [
      {
        to: "record",
        key: ["id"],
        patient: ["userid"],
        fields: {
          type: { constant: "note" },
          title: { constant: "Consultation" },
          body: { join: ["comments", "c_date", "c_time", "department", "block", "unit"], with: "\n" },
          occurredAt: { column: "timestamp", date: "unix" },
        },
      },
    ],
  },
};

/** What each `--format` says by itself. */
export const FORMATS: Readonly<Record<string, MigrationMap>> = { carecrypt, medicoio, csv: {} };
