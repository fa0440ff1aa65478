/** The whole real service in this process: real children, threads and database, on a free port. */
import { loadConfig } from '../../src/config.js';
import { type Service, serve } from '../../src/serve.js';

interface Test {
  testdir(): string;
  teardown(end: () => Promise<unknown>): void;
}

/** Serves until the test ends. */
export async function startService(t: Test, env: Readonly<Record<string, string>> = {}): Promise<Service> {
  const dataDir = env['ERRATA_DATA_DIR'] ?? t.testdir();
  const service = await serve(
    loadConfig({ ERRATA_PORT: '0', ERRATA_DATA_DIR: dataDir, ERRATA_LOG_LEVEL: 'silent', ...env }),
  );
  t.teardown(() => service.close());
  return service;
}

export async function post<T>(url: string, body: unknown): Promise<{ status: number; body: T }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as T };
}

export async function get<T>(url: string): Promise<{ status: number; body: T }> {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as T };
}
