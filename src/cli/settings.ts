/** The table of settings for people: in `errata --help`, and as .env.example. */
import { type Setting, SETTINGS } from '../config.js';

const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);

export function settingsHelp(): string {
  const width = Math.max(...settings.map(({ name }) => name.length));
  const lines = settings.map(
    (setting) => `  ${setting.name.padEnd(width)}  ${setting.help} (default: ${told(setting)})`,
  );
  return [
    '',
    'Environment variables:',
    ...lines,
    `  ${'ERRATA_URL'.padEnd(width)}  address of the service that commands ask (default: http://127.0.0.1:8100)`,
    `  ${'ERRATA_API_KEY'.padEnd(width)}  API key that they send`,
    `  ${'HF_TOKEN'.padEnd(width)}  token for gated models (models pull)`,
  ].join('\n');
}

/** Every setting, commented out, with its help, its default and an example. */
export function envExample(): string {
  const head =
    '# Settings of Errata, all optional. Made by `errata config --example`; a test compares.\n# Errata reads its environment, not a file: `set -a; . ./.env; set +a` first.\n';
  const entries = settings.map(
    (setting) => `# ${setting.help}\n# default: ${told(setting)}\n#${setting.name}=${setting.example}\n`,
  );
  return [head, ...entries].join('\n');
}

function told({ fallback, told: words }: Setting<unknown>): string {
  return words ?? (typeof fallback === 'string' ? fallback : 'computed');
}
