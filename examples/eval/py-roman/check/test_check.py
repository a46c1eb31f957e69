import unittest
from roman import from_roman, to_roman


class Check(unittest.TestCase):
    def test_all(self):
        for number in range(1, 4000):
            self.assertEqual(from_roman(to_roman(number)), number)
        self.assertEqual(from_roman('mcmxciv'), 1994)

    def test_strict(self):
        for text in ['', 'IIII', 'VX', 'IC', 'XCX', 'A', 'MMMM', 'VV', 'IXI']:
            with self.assertRaises(ValueError, msg=text):
                from_roman(text)
