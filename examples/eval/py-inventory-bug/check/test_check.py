import unittest
from shop import Shop


class Check(unittest.TestCase):
    def test_all_or_nothing(self):
        shop = Shop({'tea': 3, 'cup': 1})
        with self.assertRaisesRegex(ValueError, 'cup'):
            shop.order({'tea': 2, 'cup': 2})
        self.assertEqual(shop.stock, {'tea': 3, 'cup': 1})
        self.assertEqual(shop.order({'tea': 1}), 1)

    def test_cancel_twice(self):
        shop = Shop({'tea': 3})
        number = shop.order({'tea': 2})
        shop.cancel(number)
        shop.cancel(number)
        self.assertEqual(shop.stock, {'tea': 3})
        with self.assertRaises(KeyError):
            shop.cancel(99)

    def test_kept_apart(self):
        items = {'tea': 1}
        shop = Shop({'tea': 3})
        number = shop.order(items)
        items['tea'] = 3
        shop.cancel(number)
        self.assertEqual(shop.stock, {'tea': 3})
