import { z } from "zod";
import {
  birthDate,
  bodyCursor,
  bodyLimit,
  instant,
  namePart,
  partialDate,
  searched,
  term,
  text,
  unmasked,
} from "../fields.ts";
import { PageQuery, sealedPage, versions } from "../http.ts";
import { Id } from "../ids.ts";
import { readAddress } from "../mail-address.ts";
import { personOf } from "../person.ts";

export const Sex = z.enum(["male", "female", "other", "unknown"]);

/** The fields that every answer masks unless `?unmask=` is asked for and granted. */
export const SENSITIVE_FIELDS = ["nationalId", "phone", "email", "address"] as const;
export type SensitiveField = (typeof SENSITIVE_FIELDS)[number];

/** Someone may have one name, and a birth date of which the year is known, or nothing. */
export const NewPatient = z
  .strictObject({
    givenName: namePart,
    familyName: namePart,
    birthDate: birthDate.nullable().optional(),
    sex: Sex,
    nationalId: unmasked(term(64)).optional(),
    phone: unmasked(term(64)).optional(),
    email: readAddress(unmasked(z.string().max(320))).optional(),
    address: unmasked(text(500)).optional(),
    userId: Id.optional(),
  })
  .refine(({ givenName, familyName }) => givenName || familyName, {
    path: ["familyName"],
    message: "must be given, or else givenName",
  });
export type NewPatient = z.infer<typeof NewPatient>;

/** A missing field stays as it is; `null` clears one that may be absent. */
export const PatientPatch = z.strictObject({
  givenName: namePart,
  familyName: namePart,
  birthDate: birthDate.nullable().optional(),
  sex: Sex.optional(),
  nationalId: unmasked(term(64)).nullable().optional(),
  phone: unmasked(term(64)).nullable().optional(),
  email: readAddress(unmasked(z.string().max(320)))
    .nullable()
    .optional(),
  address: unmasked(text(500)).nullable().optional(),
  userId: Id.nullable().optional(),
});
export type PatientPatch = z.infer<typeof PatientPatch>;

/**
 * `birthDate` is as exact as it was said (`1980`, `1980-05`), or null; a name of one part has ""
 * for the other. Sensitive fields hold masks.
 */
export const PatientView = z.object({
  id: Id,
  userId: Id.nullable(),
  givenName: z.string(),
  familyName: z.string(),
  birthDate: z.string().nullable(),
  sex: Sex,
  nationalId: z.string().nullable(),
  phone: z.string().nullable(),
  email: z.string().nullable(),
  address: z.string().nullable(),
  createdBy: Id,
  creator: personOf("createdBy"),
  /** Who wrote this version; null where that was not kept yet. */
  updatedBy: Id.nullable(),
  updater: personOf("updatedBy"),
  createdAt: instant,
  updatedAt: instant,
});
export type PatientView = z.infer<typeof PatientView>;

/** A patient, and the ids of the charts that were merged into theirs: they lead here too. */
export const PatientChart = PatientView.extend({ mergedFrom: z.array(Id).optional() });
export type PatientChart = z.infer<typeof PatientChart>;
/** `from` is the chart that is merged into the one of the path. */
export const MergePatients = z.strictObject({ from: Id });
/** Which chart parts again; left out where the path names it, or there is only one. */
export const UnmergePatients = z.strictObject({ from: Id.optional() });

/**
 * Who was made, and whom they may be already: for staff, of the patients whom they may read.
 * `duplicatesChecked` is false where the search could not say who has the same name and birth date:
 * those of the same national id are named all the same.
 */
export const MadePatientView = PatientView.extend({
  possibleDuplicates: z.array(Id),
  duplicatesChecked: z.literal(false).optional(),
});
export type MadePatientView = z.infer<typeof MadePatientView>;
export const PatientPage = sealedPage(PatientView);
export const PatientVersions = versions(PatientView);

/** `?unmask=nationalId,phone` as a set of field names. */
export const UnmaskQuery = z.strictObject({
  unmask: z
    .string()
    .transform((value) => [...new Set(value.split(","))])
    .pipe(z.array(z.enum(SENSITIVE_FIELDS)).min(1))
    .optional(),
});

/** No filter holds PHI, because filters travel in URLs. */
export const PatientListQuery = PageQuery.extend({
  careTeamOf: Id.optional(),
  updatedSince: instant.optional(),
}).strict();
export type PatientListQuery = z.infer<typeof PatientListQuery>;

/**
 * `q`, `phone` and `email` are any part, in whatever letters, accents and marks; of `q` each word
 * is part of a name, in any order. `nationalId` is the whole number, however it is spelled, and
 * `birthDate` as it was said. What the operator's policy has in no index is refused.
 */
export const PatientSearch = z
  .strictObject({
    q: searched(200).optional(),
    nationalId: unmasked(searched(64)).optional(),
    birthDate: partialDate.optional(),
    phone: unmasked(searched(64)).optional(),
    email: unmasked(searched(320)).optional(),
    limit: bodyLimit,
    cursor: bodyCursor,
  })
  .refine(
    ({ q, nationalId, birthDate, phone, email }) =>
      [q, nationalId, birthDate, phone, email].some((part) => part !== undefined),
    "must have q, nationalId, birthDate, phone or email",
  );
export type PatientSearch = z.infer<typeof PatientSearch>;
