/**
 * Known vulnerabilities of what the service runs with (`npm audit` without development packages). Exits with 1 when one is
 * high or critical, and with 77, "skipped", when the registry does not offer audits: that is no answer, and is told as such.
 */
import { spawnSync } from 'node:child_process';

const SKIPPED = 77;
const REFUSED = new Set(['high', 'critical']);

const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
});
if (error) throw error;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const { auditReportVersion, vulnerabilities = {}, message = 'no report came' } = parse(stdout);
if (auditReportVersion === undefined) {
  console.error(`audit: skipped, the registry offers none: ${message}`);
  process.exit(SKIPPED);
}
const found = Object.values(vulnerabilities);
for (const { name, severity, range } of found) console.error(`audit: ${severity}: ${name} ${range}`);
const refused = found.filter(({ severity }) => REFUSED.has(severity)).length;
console.error(`audit: ${found.length} known, ${refused} of them high or critical`);
process.exit(refused > 0 ? 1 : 0);
