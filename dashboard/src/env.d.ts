// Types that TypeScript's DOM library does not know yet.

/** Trusted types. The policy's result is an object that prints as the URL; it is called a string here because `Worker` takes one. */
interface MonitorTrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

interface Window {
  trustedTypes?: MonitorTrustedTypes;
}
