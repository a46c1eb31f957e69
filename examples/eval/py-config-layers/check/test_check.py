import unittest
from app import settings
from config import load


class Check(unittest.TestCase):
    def test_layers(self):
        a = {'log': {'level': 'info', 'file': 'x'}, 'tags': [1, 2], 'gone': 1}
        b = {'log': {'level': 'debug'}, 'tags': [3], 'gone': None, 'new': {'deep': {'er': 1}}}
        self.assertEqual(load(a, b), {'log': {'level': 'debug', 'file': 'x'}, 'tags': [3], 'new': {'deep': {'er': 1}}})
        self.assertEqual(a['log'], {'level': 'info', 'file': 'x'})
        self.assertEqual(load(a, {'log': 5})['log'], 5)

    def test_names(self):
        found = load({'url': 'http://${HOST}:${PORT}/', 'list': ['${HOST}']}, env={'HOST': 'h', 'PORT': '1'})
        self.assertEqual(found, {'url': 'http://h:1/', 'list': ['h']})
        with self.assertRaisesRegex(KeyError, 'NOPE'):
            load({'a': '${NOPE}'}, env={})

    def test_as_before(self):
        self.assertEqual(settings(), {'port': 80, 'log': {'level': 'info'}})
