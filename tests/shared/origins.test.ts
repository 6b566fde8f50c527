import { expect, test } from '@jest/globals';
import { loadConfig } from '../../shared/config.ts';
import { isLoopback } from '../../shared/origins.ts';

test.each(['localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]'])('%s is this machine', (host) => {
  expect(isLoopback(host)).toBe(true);
  expect(loadConfig({ HOST: host })).toMatchObject({ host, hostRefused: null });
});

test.each(['0.0.0.0', '::', 'localhost.example.com', '127.0.0.1.example.com', '10.0.0.1'])(
  '%s is not, and is not listened on without keys',
  (host) => {
    expect(isLoopback(host)).toBe(false);
    expect(loadConfig({ HOST: host })).toMatchObject({ host: '127.0.0.1', hostRefused: host });
    expect(loadConfig({ HOST: host, API_KEYS: 'admin:long-enough' }).host).toBe(host);
  },
);
