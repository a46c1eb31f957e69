import unittest
import threading
from words import top


class Check(unittest.TestCase):
    def test_same(self):
        self.assertEqual(top("The cat's cat the CAT", 2), [('cat', 2), ('the', 2)])
        self.assertEqual(top('b a b a c', 5), [('a', 2), ('b', 2), ('c', 1)])
        self.assertEqual(top('', 3), [])

    def test_long(self):
        text = ' '.join('w' + chr(97 + i % 26) + chr(97 + i // 26 % 26) + chr(97 + i // 676 % 26) + chr(97 + i // 17576) for i in range(60000))
        found = []
        worker = threading.Thread(target=lambda: found.append(top(text, 1)), daemon=True)
        worker.start()
        worker.join(20)
        self.assertEqual(len(found), 1, 'still not done after 20 s')
