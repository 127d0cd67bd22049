import { AppError } from "@medvault/contracts";

/** 409: the record has as many versions as one may have. */
export class TooManyVersions extends AppError {
  readonly code = "too_many_versions";
  readonly kind = "conflict";
  constructor() {
    super("This record has as many versions as a record may have.");
  }
}
