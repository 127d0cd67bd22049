import { refusal } from "@medvault/contracts";

/** 409: the record has as many versions as one may have. */
export class TooManyVersions extends refusal(
  "too_many_versions",
  "This record has as many versions as a record may have.",
) {}
