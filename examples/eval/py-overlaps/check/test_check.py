import unittest
from intervals import merge


class Check(unittest.TestCase):
    def test_union(self):
        self.assertEqual(merge([[5, 6], [1, 4], [2, 3]]), [[1, 4], [5, 6]])
        self.assertEqual(merge([[1, 2], [2, 3], [4, 4]]), [[1, 3], [4, 4]])
        self.assertEqual(merge([]), [])

    def test_input_stays(self):
        given = [[3, 4], [1, 3]]
        merge(given)
        self.assertEqual(given, [[3, 4], [1, 3]])
        self.assertEqual(merge(((1, 2), (2, 5))), [[1, 5]])

    def test_wrong(self):
        with self.assertRaises(ValueError):
            merge([[2, 1]])
