import unittest
from shop import Shop


class TestShop(unittest.TestCase):
    def test_order(self):
        shop = Shop({'tea': 3})
        self.assertEqual(shop.order({'tea': 2}), 1)
        self.assertEqual(shop.stock, {'tea': 1})
        shop.cancel(1)
        self.assertEqual(shop.stock, {'tea': 3})
