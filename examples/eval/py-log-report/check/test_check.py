import unittest
import subprocess
import sys
import tempfile


def run(*args):
    return subprocess.run([sys.executable, 'report.py', *args], capture_output=True, text=True)


class Check(unittest.TestCase):
    def test_sample(self):
        done = run('sample.log')
        self.assertEqual(done.stdout.splitlines(), ['/a 2 16.0', '/b 1 3.0', 'skipped 1'])
        self.assertEqual(done.returncode, 0)

    def test_order(self):
        with tempfile.NamedTemporaryFile('w', suffix='.log') as file:
            for path, ms in [('/z', 1), ('/y', 2), ('/z', 2), ('/y', 2), ('/x', 9)]:
                file.write(f'2026-01-01T00:00:01Z GET {path} 200 {ms}ms\n')
            file.flush()
            self.assertEqual(run(file.name).stdout.splitlines(), ['/y 2 2.0', '/z 2 1.5', '/x 1 9.0'])

    def test_missing(self):
        done = run('nowhere.log')
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual(done.stdout, '')
