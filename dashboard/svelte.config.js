// Tells Svelte's tools that every component uses runes.
export default { compilerOptions: { runes: true } };
