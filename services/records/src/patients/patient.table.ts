import { sealedTable } from "@medvault/keys";
import type { Patient } from "./patient.ts";

/** Who the patient is, in one box; `user_id` says which account is theirs. */
export const patients = sealedTable<Patient>({
  service: "records",
  table: "patients",
  subject: "id",
  typed: ["user_id", "created_by", "created_at", "updated_at"],
  sealed: [
    "given_name",
    "family_name",
    "birth_date",
    "sex",
    "national_id",
    "phone",
    "email",
    "address",
    "search_name",
    "source",
  ],
  masks: { national_id: "edges", phone: "edges", email: "edges", address: "edges" },
  indexes: { search_name: "substring", national_id: "exact", birth_date: "exact" },
  indexColumns: { search_name: "name_tokens" },
  searchable: ["phone", "email"],
  fewValues: ["sex"],
  notText: ["source"],
});
