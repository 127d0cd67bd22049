import packageJson from "../../../package.json" with { type: "json" };

/** Of MedVault as a whole, which has one version: that of the package.json at the top. */
export const VERSION: string = packageJson.version;
